-- wallet_tasks/renew: $1 worker, $2 task, $3 fence, $4 lease. Waits for its turn at the row.
update wallet_tasks
set lease_until = now() + $4::interval
where id = $2 and fence = $3 and worker = $1
