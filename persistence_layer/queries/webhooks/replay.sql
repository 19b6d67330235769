-- webhooks/replay: $1 batch, $2 tenant. Its newest delivery begins anew, now. No row: the job has not ended.
with here as (
    update job_webhooks set gone_at = null
    where batch_id = $1 and tenant = $2
      and exists (select from batches b where b.id = $1 and b.state <> 'active')
    returning batch_id
)
update webhook_deliveries
set state = 'waiting', attempts = 0, fence = fence + 1, due_at = clock_timestamp(), ended_at = null
where id = (select max(d.id) from webhook_deliveries d join here on here.batch_id = d.batch_id)
