-- wallet_tasks/oldest_queued: milliseconds since the oldest batch with a ready task was submitted
select (extract(epoch from now() - min(b.created_at)) * 1000)::bigint
from batches b
where b.state = 'active' and b.waiting_since is null
  and exists (select from wallet_tasks t where t.batch_id = b.id and t.state = 'queued')
