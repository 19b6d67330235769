-- wallet_tasks/requeue: $1 task, $2 fence, $3 delay, $4 reason, $5 costs an attempt, $6 error as text
-- No row: the lease was lost. A ready task goes behind the head of the queue: by one place, or after
-- a time limit by one for each second that it has held a slot, so that long wallets leave the slots
-- to others for most of the time. A delayed one has waited and keeps its place. What counts as put
-- off, put_off.sql reads.
with put_off as (
    select $4 in ('provider_throttled', 'outage')
        or coalesce($6::text::json ->> 'code' in ('database-timeout', 'database-failing'), false) as counts
)
update wallet_tasks
set state = case when $3::interval > interval '0' then 'delayed' else 'queued' end,
    run_at = case when $3::interval > interval '0' then clock_timestamp() + $3::interval end,
    wait_reason = $4,
    lease_until = null,
    worker = null,
    attempts = attempts + case when $5 then 1 else 0 end,
    takeovers = case when progress > progress_at_claim then 0 else takeovers end,
    continuations = continuations + case when $4 = 'continued' then 1 else 0 end,
    error = coalesce($6::text::json, error),
    put_off_since = case
        when not (select counts from put_off) then put_off_since
        when put_off_progress = progress and put_off_since >= started_at
            and (select max(a.ended) from wallet_attempts a where a.task = wallet_tasks.id and a.fence <> $2)
                > (select a.started from wallet_attempts a where a.task = wallet_tasks.id and a.fence = $2)
                    - interval '1 hour'
            then put_off_since
        else clock_timestamp()
        end,
    put_off_progress = case when (select counts from put_off) then progress else put_off_progress end,
    vtime = case when $3::interval > interval '0' then vtime
        else greatest(vtime, (
            select head.vtime + 1 from ready_heads head
            order by head.prio, head.vtime, head.id limit 1)
            + case when $4 = 'continued' then coalesce((
                select extract(epoch from clock_timestamp() - a.started)::bigint
                from wallet_attempts a where a.task = wallet_tasks.id and a.fence = $2), 0)
              else 0 end)
        end
where id = $1 and fence = $2 and state = 'running'
