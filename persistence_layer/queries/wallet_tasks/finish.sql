-- wallet_tasks/finish: $1 task, $2 fence, $3 calls and $4 report as text, $5 becomes the wallet's latest,
-- $6 pin block, $7-$10 total, realized, unrealized, fees (text), $11 trades, $12 transactions,
-- $13 win rate (text or null), $14 complete
-- One statement, since this is what every wallet pays. No row: the lease was lost. Else whether
-- other tasks of the batch wait (read from the end of the submission, which is claimed last, so
-- that the first row read decides), and whether somebody waits for this wallet.
with ended as (
    update wallet_tasks
    set state = 'done', lease_until = null, worker = null, error = null, calls = $3::text::json,
        finished_at = clock_timestamp()
    where id = $1 and fence = $2 and state = 'running'
    returning id, fence, batch_id, chain, wallet
),
attempt as (
    update wallet_attempts a
    set ended = clock_timestamp(), outcome = 'done'
    from ended
    where a.task = $1 and a.fence = $2 and a.ended is null
),
result as (
    insert into pnl_results (chain, batch_id, wallet, task, fence, report)
    select chain, batch_id, wallet, id, fence, $4::text::json from ended
),
latest as (
    -- An older pin never replaces a newer one.
    insert into wallet_latest (
        chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd, unrealized_gain_usd,
        fees_usd, trades, transactions, token_win_rate, complete)
    select chain, wallet, batch_id, $6::bigint, $7::text::numeric, $8::text::numeric,
        $9::text::numeric, $10::text::numeric, $11::bigint, $12::bigint, $13::text::numeric,
        $14::boolean
    from ended
    where $5::boolean
    on conflict (chain, wallet) do update
    set batch_id = excluded.batch_id,
        pin_block = excluded.pin_block,
        total_pnl_usd = excluded.total_pnl_usd,
        realized_gain_usd = excluded.realized_gain_usd,
        unrealized_gain_usd = excluded.unrealized_gain_usd,
        fees_usd = excluded.fees_usd,
        trades = excluded.trades,
        transactions = excluded.transactions,
        token_win_rate = excluded.token_win_rate,
        complete = excluded.complete,
        analyzed_at = clock_timestamp()
    where wallet_latest.pin_block <= excluded.pin_block
)
select
    (select t.id from wallet_tasks t
     where t.batch_id = ended.batch_id and t.finished_at is null and t.lease_until is null
     order by t.ordinal desc
     limit 1) is not null as "others_wait!",
    (select t.id from wallet_tasks t
     where t.chain = ended.chain and t.wallet = ended.wallet
       and coalesce(t.lease_until, t.finished_at) is null and t.run_at is null
     limit 1) is not null as "wallet_waits!"
from ended
