-- batches/reopen: $1 batch, $2 waits for admission, $3 tenant. A round becomes a batch like any other.
update batches
set state = 'active', cancel_requested = false, started_at = null, finished_at = null,
    done = null, failed = null, timed_out = null, cancelled = null,
    waiting_since = case when $2::boolean then clock_timestamp() end,
    updated_at = clock_timestamp(), is_round = false
where id = $1 and tenant = $3
