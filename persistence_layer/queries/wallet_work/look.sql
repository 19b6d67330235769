-- wallet_work/look: $1 task, $2 made by, $3 last page read
select no, payload from wallet_looks
where task = $1 and made_by = $2 and no > $3
order by no
limit 1
