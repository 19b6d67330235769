-- wallet_tasks/hold: $1 task, $2 fence. No row: the lease was lost.
select id from wallet_tasks
where id = $1 and fence = $2 and state = 'running'
for no key update
