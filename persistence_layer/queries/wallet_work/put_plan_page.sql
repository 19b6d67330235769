-- wallet_work/put_plan_page: $1 task, $2 number, $3 payload. A page of an unfinished plan is replaced.
insert into wallet_plan_pages (task, no, payload) values ($1, $2, $3)
on conflict (task, no) do update set payload = excluded.payload
