-- retention/forget_expired: $1 batch, whose row is locked and which an older program has opened again.
-- It goes on with the tasks that are left of it. No row: none is, and nothing was changed.
with kept as (
    update batches b
    set total = remaining.tasks
    from (select count(*)::integer as tasks from wallet_tasks where batch_id = $1) as remaining
    where b.id = $1 and remaining.tasks > 0
    returning b.id
)
delete from expired_batches e
using kept
where e.id = kept.id
