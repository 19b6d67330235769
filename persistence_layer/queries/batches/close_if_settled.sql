-- batches/close_if_settled: $1 batch, whose row is locked. Changes nothing while a task is open.
-- started_at: a claim leaves it out when it would have to wait for the batch's row.
update batches b
set done = c.done, failed = c.failed, timed_out = c.timed_out, cancelled = c.cancelled,
    finished_at = clock_timestamp(),
    started_at = coalesce(b.started_at, c.started_at),
    state = case
        when c.done = b.total then 'completed'
        when b.cancel_requested and c.cancelled > 0 then 'cancelled'
        when c.done = 0 then 'failed'
        else 'completed_with_errors'
    end
from (
    select
        count(*) filter (where state = 'done') as done,
        count(*) filter (where state = 'failed') as failed,
        count(*) filter (where state = 'timed_out') as timed_out,
        count(*) filter (where state = 'cancelled') as cancelled,
        min(started_at) as started_at
    from wallet_tasks
    where batch_id = $1
) c
where b.id = $1
  and b.state = 'active'
  and not exists (
      select from wallet_tasks
      where batch_id = $1 and state in ('queued', 'delayed', 'running'))
