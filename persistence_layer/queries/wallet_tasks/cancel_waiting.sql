-- wallet_tasks/cancel_waiting: $1 batch
update wallet_tasks
set state = 'cancelled', run_at = null, wait_reason = null, finished_at = clock_timestamp()
where batch_id = $1 and finished_at is null and lease_until is null
