-- wallet_tasks/heartbeat: $1 worker, $2 tasks, $3 their fences, $4 lease
-- A row for each that is still held. One whose row is locked is passed over and not renewed: a write
-- of its wallet that waits for something must not keep the leases of all others waiting.
with mine as materialized (
    select t.id, b.cancel_requested
    from wallet_tasks t
    join unnest($2::bigint[], $3::bigint[]) as mine (id, fence)
        on t.id = mine.id and t.fence = mine.fence
    join batches b on b.id = t.batch_id
    where t.id = any ($2::bigint[]) and t.state = 'running' and t.worker = $1
),
free as materialized (
    select t.id
    from wallet_tasks t
    join unnest($2::bigint[], $3::bigint[]) as mine (id, fence)
        on t.id = mine.id and t.fence = mine.fence
    where t.id = any ($2::bigint[]) and t.state = 'running' and t.worker = $1
    order by t.id
    for no key update of t skip locked
),
renewed as (
    update wallet_tasks t
    set lease_until = now() + $4::interval
    where t.id = any (array(select id from free))
    returning t.id
)
select mine.id as "id!", mine.cancel_requested as "cancel_requested!",
    mine.id in (select id from renewed) as "renewed!"
from mine
