-- webhooks/get: $1 batch, $2 tenant
select h.url, h.gone_at
from job_webhooks h
where h.batch_id = $1 and h.tenant = $2
  and not exists (select from expired_batches e where e.id = h.batch_id)
