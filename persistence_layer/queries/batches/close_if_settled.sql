-- batches/close_if_settled: $1 batch, whose row is locked. No row: a task is open, or it was closed.
-- The order of the look for an open task is that of its index: without one, a table that is full of
-- open tasks would be read row by row, also when this batch has none.
-- started_at: a claim leaves it out when it would have to wait for the batch's row.
update batches b
set done = c.done, failed = c.failed, timed_out = c.timed_out, cancelled = c.cancelled,
    finished_at = clock_timestamp(),
    updated_at = clock_timestamp(),
    waiting_since = null,
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
  and (
      select t.id from wallet_tasks t
      where t.batch_id = $1 and t.finished_at is null
      order by t.ordinal desc
      limit 1) is null
returning b.id
