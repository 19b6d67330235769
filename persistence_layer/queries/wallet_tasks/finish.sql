-- wallet_tasks/finish: $1 task, $2 fence, $3 calls as text. No row: the lease was lost.
update wallet_tasks
set state = 'done', lease_until = null, worker = null, error = null, calls = $3::text::json,
    finished_at = clock_timestamp()
where id = $1 and fence = $2 and state = 'running'
