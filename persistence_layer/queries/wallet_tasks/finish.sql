-- wallet_tasks/finish: results of one batch. $1 batch, then arrays of one length in the order of the
-- tasks: $2 tasks, $3 fences, $4 calls and $5 reports as text, $6 whether it becomes the wallet's
-- latest, $7 pin blocks, $8-$11 total, realized, unrealized, fees (text), $12 trades, $13 transactions,
-- $14 win rates (text or null), $15 complete
-- One statement, since this is what every wallet pays. A row for each task that was ended: a missing
-- one lost its lease. Whether other tasks of the batch wait (read from the end of the submission,
-- which is claimed last, so that the first row read decides), and whether somebody waits for the
-- wallet. The tasks are named a second time where their rows are read, and nothing else of them: no
-- statistics lead to another plan than their primary keys, in their order.
with given as materialized (
    select *
    from unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::boolean[], $7::bigint[],
        $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::text[],
        $15::boolean[]) as given (task, fence, calls, report, is_latest, pin_block, total, realized,
        unrealized, fees, trades, transactions, win_rate, complete)
),
ended as (
    update wallet_tasks t
    set state = 'done', lease_until = null, worker = null, error = null, calls = g.calls::json,
        finished_at = clock_timestamp()
    from given g
    where t.id = any ($2::bigint[])
      and t.id = g.task and t.fence = g.fence and t.state = 'running'
    returning t.chain, t.wallet, g.*
),
attempts as (
    update wallet_attempts a
    set ended = clock_timestamp(), outcome = 'done'
    from ended
    where a.task = any ($2::bigint[])
      and a.task = ended.task and a.fence = ended.fence and a.ended is null
),
results as (
    insert into pnl_results (chain, batch_id, wallet, task, fence, report)
    select chain, $1, wallet, task, fence, report::json from ended
),
latest as (
    -- An older pin never replaces a newer one.
    insert into wallet_latest (
        chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd, unrealized_gain_usd,
        fees_usd, trades, transactions, token_win_rate, complete)
    select chain, wallet, $1, pin_block, total::numeric, realized::numeric, unrealized::numeric,
        fees::numeric, trades, transactions, win_rate::numeric, complete
    from ended
    where is_latest
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
    ended.task as "task!",
    (select t.id from wallet_tasks t
     where t.batch_id = $1 and t.finished_at is null and t.lease_until is null
     order by t.ordinal desc
     limit 1) is not null as "others_wait!",
    (select t.id from wallet_tasks t
     where t.chain = ended.chain and t.wallet = ended.wallet
       and coalesce(t.lease_until, t.finished_at) is null and t.run_at is null
     limit 1) is not null as "wallet_waits!"
from ended
