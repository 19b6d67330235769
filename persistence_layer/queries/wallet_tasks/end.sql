-- wallet_tasks/end: $1 task, $2 fence, $3 end state, $4 error as text. No row: the lease was lost.
update wallet_tasks
set state = $3, lease_until = null, worker = null, error = $4::text::json, finished_at = clock_timestamp()
where id = $1 and fence = $2 and state = 'running'
