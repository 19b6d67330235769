-- batches/get: $1 id, $2 tenant. Tasks are counted while the batch is active; later its row has the counts.
select b.id, b.chain, b.request, b.trace_id, b.total, b.state, b.cancel_requested, b.is_round,
    b.pin_block, b.pin_block_time, b.created_at, b.started_at,
    case when b.state = 'active' then b.waiting_since end as waiting_since,
    greatest(b.updated_at, c.changed_at) as "updated_at!", b.finished_at,
    coalesce(c.queued, 0) as "queued!",
    coalesce(c.running, 0) as "running!",
    coalesce(b.done, c.done, 0) as "done!",
    coalesce(b.failed, c.failed, 0) as "failed!",
    coalesce(b.timed_out, c.timed_out, 0) as "timed_out!",
    coalesce(b.cancelled, c.cancelled, 0) as "cancelled!",
    coalesce(c.continued, 0) as "continued!",
    coalesce(c.provider_throttled, 0) as "provider_throttled!",
    case when b.request ->> 'group' = 'true' then (
        select t.state from wallet_tasks t
        where t.batch_id = b.id and t.chain = b.chain and t.wallet = 'group:' || b.id) end as group_state
from batches b
left join lateral (
    select
        count(*) filter (where t.state in ('queued', 'delayed')) as queued,
        count(*) filter (where t.state = 'running') as running,
        count(*) filter (where t.state = 'done') as done,
        count(*) filter (where t.state = 'failed') as failed,
        count(*) filter (where t.state = 'timed_out') as timed_out,
        count(*) filter (where t.state = 'cancelled') as cancelled,
        greatest(max(t.started_at), max(t.finished_at)) as changed_at,
        count(*) filter (where t.wait_reason = 'continued') as continued,
        count(*) filter (where t.wait_reason = 'provider_throttled') as provider_throttled
    from wallet_tasks t
    where t.batch_id = b.id and b.state = 'active'
) c on true
where b.id = $1 and b.tenant = $2
  and not exists (select from expired_batches e where e.id = b.id)
