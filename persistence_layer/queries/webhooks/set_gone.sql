-- webhooks/set_gone: $1 batch. The receiver is gone, for all that waits.
with gone as (
    update job_webhooks set gone_at = clock_timestamp() where batch_id = $1
)
update webhook_deliveries
set state = 'gone', ended_at = clock_timestamp(), fence = fence + 1
where batch_id = $1 and state = 'waiting'
