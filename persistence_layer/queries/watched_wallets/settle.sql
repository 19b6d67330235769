-- watched_wallets/settle: $1 limit, $2 rounds in a row without result after which a wallet is parked, $3 longest
-- pause before the next one. Notes and counts wallets whose rounds have ended, or are gone. The row of
-- continuous_mode is locked.
with ended as materialized (
    select w.id, w.batch_id, t.state, t.error,
        (t.state in ('failed', 'timed_out')) is true as has_failed,
        -- What all wallets meet alike says nothing of one.
        coalesce(t.error ->> 'code', '') in ('provider-outage', 'price-source-outage', 'provider-throttled') as is_outage
    from watched_wallets w
    left join wallet_tasks t
        on t.batch_id = w.batch_id and t.chain = w.chain and t.wallet = w.wallet
    where w.batch_id is not null
      and (t.id is null or t.finished_at is not null)
    order by w.id
    limit $1
    for update of w skip locked
),
noted as (
    update watched_wallets w
    set batch_id = null,
        last_batch_id = e.batch_id,
        last_ended_at = clock_timestamp(),
        last_state = coalesce(e.state, 'cancelled'),
        error = case when e.has_failed then e.error end,
        failures = case
            when e.state = 'done' then 0
            when e.has_failed and not e.is_outage then w.failures + 1
            else w.failures
        end,
        next_at = case when e.has_failed then least(w.next_at, clock_timestamp() + $3::interval) else w.next_at end,
        parked_at = case
            -- Workers have died of it again and again.
            when e.has_failed and not e.is_outage and (w.failures + 1 >= $2 or e.error ->> 'code' = 'worker-crashed')
            then clock_timestamp()
        end
    from ended e
    where w.id = e.id
    returning w.tenant, w.chain, w.wallet, w.last_batch_id, w.last_state, w.error, w.failures,
        w.parked_at is not null as is_parked
),
counted as (
    update continuous_mode m
    set processed = m.processed + n.done, failed = m.failed + n.failed
    from (
        select count(*) filter (where last_state = 'done') as done,
            count(*) filter (where last_state in ('failed', 'timed_out')) as failed
        from noted
    ) as n
    where n.done + n.failed > 0
)
select tenant, chain, wallet, last_batch_id as "batch_id!", last_state as "state!", error, failures,
    is_parked as "is_parked!"
from noted
