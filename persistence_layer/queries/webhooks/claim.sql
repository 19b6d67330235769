-- webhooks/claim: $1 most, $2 how long nobody else takes them. What is due, of each tenant in turn, oldest first; not
-- of jobs that clients no longer see. Of each tenant no more rows are read than are taken.
with recursive tenants as (
    (select d.tenant from webhook_deliveries d where d.state = 'waiting' order by d.tenant limit 1)
    union all
    select (
        select d.tenant from webhook_deliveries d
        where d.state = 'waiting' and d.tenant > t.tenant
        order by d.tenant
        limit 1
    )
    from tenants t
    where t.tenant is not null
),
turns as materialized (
    select d.id, d.turn, d.due_at
    from tenants t,
    lateral (
        select d.id, d.due_at, row_number() over (order by d.due_at, d.id) as turn
        from webhook_deliveries d
        where d.state = 'waiting' and d.tenant = t.tenant and d.due_at <= now()
          and not exists (select from expired_batches e where e.id = d.batch_id)
        order by d.due_at, d.id
        limit $1
    ) d
),
due as materialized (
    select d.id
    from turns t
    join webhook_deliveries d on d.id = t.id
    where d.state = 'waiting' and d.due_at <= now()
    order by t.turn, t.due_at
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
