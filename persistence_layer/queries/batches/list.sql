-- batches/list: $1 state or null, $2 started or null, $3 id to begin behind or null, $4 limit,
-- $5 tenant, $6 whether rounds or null for both. What was asked for can be long, and lists do not show it.
select b.id, b.chain, 'null'::json as "request!", b.trace_id, b.total, b.state, b.cancel_requested, b.is_round,
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
where b.tenant = $5
  and ($1::text is null or b.state = $1)
  and ($2::boolean is null or (b.started_at is not null) = $2)
  and ($3::uuid is null or b.id < $3)
  and ($6::boolean is null or b.is_round = $6)
  and not exists (select from expired_batches e where e.id = b.id)
order by b.id desc
limit $4
