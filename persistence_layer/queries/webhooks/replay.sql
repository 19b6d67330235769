-- webhooks/replay: $1 batch, $2 tenant. Its newest telling begins anew, now. No row: it has none.
with here as (
    update job_webhooks set gone_at = null where batch_id = $1 and tenant = $2
)
update webhook_deliveries
set state = 'waiting', attempts = 0, fence = fence + 1, due_at = clock_timestamp(), ended_at = null
where id = (select max(d.id) from webhook_deliveries d where d.batch_id = $1 and d.tenant = $2)
