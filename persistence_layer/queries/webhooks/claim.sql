-- webhooks/claim: $1 most, $2 how long nobody else takes them. What is due, oldest first; not of jobs that clients no
-- longer see.
with due as materialized (
    select d.id
    from webhook_deliveries d
    where d.state = 'waiting' and d.due_at <= now()
      and not exists (select from expired_batches e where e.id = d.batch_id)
    order by d.due_at
    limit $1
    for update of d skip locked
)
update webhook_deliveries d
set attempts = d.attempts + 1,
    fence = d.fence + 1,
    tried_at = clock_timestamp(),
    due_at = clock_timestamp() + $2::interval
from due, job_webhooks h
where d.id = due.id and h.batch_id = d.batch_id
returning d.id, d.batch_id, d.tenant, h.url, d.event_id, d.number, d.body, d.attempts, d.fence
