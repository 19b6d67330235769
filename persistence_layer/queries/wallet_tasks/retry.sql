-- wallet_tasks/retry: $1 batch, $2 it waits for admission. The fence stays: it only ever grows.
update wallet_tasks t
set state = case when $2::boolean then 'delayed' else 'queued' end,
    run_at = case when $2::boolean then timestamptz 'infinity' end,
    attempts = 0, continuations = 0, takeovers = 0, error = null, calls = null,
    started_at = null, finished_at = null, vtime = front.vtime + again.place - 1
from (
    select id, row_number() over (order by ordinal) as place
    from wallet_tasks
    where batch_id = $1 and state in ('failed', 'timed_out')
) as again
cross join queue_front as front
where t.id = again.id
