-- wallet_tasks/heartbeat: $1 worker, $2 tasks, $3 their fences, $4 lease
-- A row for each that is still held. One whose row is locked is passed over and not renewed: a write
-- of its wallet that waits for something must not keep the leases of all others waiting. Only a running
-- task has a worker; the state is left out, so that no other index than the primary key fits.
with mine as materialized (
    select t.id,
        (select b.cancel_requested from batches b where b.id = t.batch_id) as cancel_requested
    from unnest($2::bigint[], $3::bigint[]) as named (id, fence)
    cross join lateral (
        select id, batch_id from wallet_tasks
        where id = named.id and fence = named.fence and worker = $1
        limit 1
    ) as t
),
free as materialized (
    select id from wallet_tasks
    where id = any (array(select id from mine)) and worker = $1
    order by id
    for no key update skip locked
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
