-- wallet_work/put_look: $1 task, $2 made by, $3 payload. Behind the last page.
insert into wallet_looks (task, no, made_by, payload)
select $1, coalesce(max(no) + 1, 0), $2, $3 from wallet_looks where task = $1
