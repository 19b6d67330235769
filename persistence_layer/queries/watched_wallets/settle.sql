-- watched_wallets/settle: $1 limit, $2 rounds in a row without result after which a wallet is parked, $3 longest
-- pause before the next one. Notes and counts wallets whose rounds have ended, or are gone. The row of
-- continuous_mode is locked.
with ended as materialized (
    select w.id, w.chain, w.batch_id, w.removed_at, w.changed_in_round, w.failures, w.error ->> 'code' as last_code,
        t.created_at as begun_at, t.state, t.error,
        coalesce(t.error ->> 'code', '') as code,
        (t.state in ('failed', 'timed_out')) is true as has_failed
    from watched_wallets w
    left join wallet_tasks t
        on t.batch_id = w.batch_id and t.chain = w.chain and t.wallet = w.wallet
    where w.batch_id is not null
      and (t.id is null or t.finished_at is not null)
    order by w.id
    limit $1
    for update of w skip locked
),
judged as (
    select e.*,
        -- What all wallets meet alike says nothing of one, and neither does the end of what nobody wants any more.
        e.has_failed and not e.changed_in_round
            and e.code not in ('provider-outage', 'price-source-outage', 'provider-throttled') as counts,
        -- May be the wallet's own fault or that of something all need. While others of the chain end well it is the
        -- wallet's; else it is only after many more rounds.
        case
            when e.state = 'timed_out' or e.code ~ '^(provider|database)-' or e.code in ('method-not-found', 'no-room')
            then case
                when exists (
                    select from watched_wallets o
                    where o.chain = e.chain and o.last_state = 'done' and o.last_ended_at >= e.begun_at)
                  or exists (select from ended o where o.chain = e.chain and o.state = 'done')
                then $2::integer
                else $2::integer * 10
            end
            -- Its workers have died of it twice. Once may be the fault of another one on the same machine.
            when e.code = 'worker-crashed' and e.failures > 0 and e.last_code = 'worker-crashed' then 1
            else $2::integer
        end as park_after
    from ended e
    where e.removed_at is null
),
noted as (
    update watched_wallets w
    set batch_id = null,
        changed_in_round = false,
        last_done_batch_id = case when j.state = 'done' then j.batch_id else w.last_done_batch_id end,
        last_batch_id = j.batch_id,
        last_ended_at = clock_timestamp(),
        last_state = coalesce(j.state, 'cancelled'),
        error = case when j.has_failed then j.error end,
        failures = case when j.state = 'done' then 0 when j.counts then j.failures + 1 else j.failures end,
        -- At whole minutes, so that many that fail together come again together.
        next_at = case
            when j.has_failed
            then least(w.next_at, date_bin(
                interval '1 minute', clock_timestamp() + $3::interval, timestamptz '2000-01-01'))
            else w.next_at
        end,
        parked_at = case when j.counts and j.failures + 1 >= j.park_after then clock_timestamp() end
    from judged j
    where w.id = j.id
    returning w.tenant, w.chain, w.wallet, w.last_batch_id, w.last_state, w.error, w.failures,
        w.parked_at is not null as is_parked
),
taken_off as (
    delete from watched_wallets w
    using ended e
    where w.id = e.id and e.removed_at is not null
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
