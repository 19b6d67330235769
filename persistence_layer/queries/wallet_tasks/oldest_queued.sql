-- wallet_tasks/oldest_queued: milliseconds since the oldest batch with a ready task was submitted
-- A ready task is not over; saying so leaves those that are to their index.
select (extract(epoch from now() - min(b.created_at)) * 1000)::bigint
from batches b
where b.state = 'active' and b.waiting_since is null
  and exists (select from wallet_tasks t where t.batch_id = b.id and t.finished_at is null
          and t.state = 'queued')
