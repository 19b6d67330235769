-- wallet_tasks/heartbeat: $1 worker, $2 tasks, $3 their fences, $4 lease
with held as (
    select t.id
    from wallet_tasks t
    join unnest($2::bigint[], $3::bigint[]) as mine (id, fence)
        on t.id = mine.id and t.fence = mine.fence
    where t.state = 'running' and t.worker = $1
    order by t.id
    for no key update of t
)
update wallet_tasks t
set lease_until = now() + $4::interval
from held, batches b
where t.id = held.id and b.id = t.batch_id
returning t.id, b.cancel_requested
