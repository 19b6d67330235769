-- batches/reopen: $1 batch
update batches
set state = 'active', cancel_requested = false, started_at = null, finished_at = null,
    done = null, failed = null, timed_out = null, cancelled = null,
    updated_at = clock_timestamp()
where id = $1
