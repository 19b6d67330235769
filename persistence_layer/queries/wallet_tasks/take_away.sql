-- wallet_tasks/take_away: $1 task, $2 fence, $3 most takeovers, $4 cancel requested, $5 error when
-- parked, as text. No row: the lease holds again, somebody else took it away, or
-- a write under it is not over yet; the next sweep looks again.
with expired as (
    select id,
        case when progress > progress_at_claim then 0 else takeovers + 1 end as takeovers
    from wallet_tasks
    where id = $1 and fence = $2 and state = 'running' and lease_until < now()
    for update skip locked
),
judged as (
    select id, takeovers,
        case
            when $4 then 'cancelled'
            when takeovers >= $3 then 'failed'
            else 'queued'
        end as state
    from expired
)
update wallet_tasks t
set state = j.state,
    takeovers = j.takeovers,
    lease_until = null,
    worker = null,
    error = case when j.state = 'failed' then $5::text::json else t.error end,
    finished_at = case when j.state <> 'queued' then clock_timestamp() end
from judged j
where t.id = j.id
returning t.state
