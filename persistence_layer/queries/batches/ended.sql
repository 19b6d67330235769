-- batches/ended: $1 batch, $2 tenant. When it ended; null while it runs.
select b.finished_at
from batches b
where b.id = $1 and b.tenant = $2
  and not exists (select from expired_batches e where e.id = b.id)
