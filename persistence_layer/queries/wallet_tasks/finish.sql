-- wallet_tasks/finish: results of one batch. $1 batch, $2 whether its gate is held alone, $3 its chain,
-- $4 channel of the queue, then arrays of one length: $5 tasks, $6 fences, $7 calls and $8 reports as text,
-- $9 whether it becomes the wallet's latest, $10 pin blocks, $11-$14 total, realized, unrealized, fees
-- (text), $15 trades, $16 transactions, $17 win rates (text or null), $18 complete, $19 wallets; and of
-- the ledgers that are kept, nulls elsewhere: $20 ids, $21 pin blocks, $22 pin times, $23 input hashes,
-- $24 price set hashes, $25 coverages and $26 contexts as text, $27 chunks, $28 events; $29 the tenant of the batch,
-- $30 whether a ledger is of a part of the history, kept for its result alone
-- One statement, since this is what every wallet pays: result, latest figures, ledger, task and attempt.
-- A row for each end; one without a number when nothing was written, because the gate has to be passed
-- alone. An end that was not written lost its lease, or its ledger is not whole.
-- Rows are looked up one by one, or by a list of their primary keys, and changed where an insert meets
-- them: no statistics lead to another plan. Tasks are locked first, in the order of their ids.
with gate as materialized (
    select $2::boolean or pass_gate_shared($1) as is_open
),
given as materialized (
    select g.*,
        present.ledger as present,
        -- An older pin never replaces a newer one.
        g.ledger_id is not null
            and (g.is_part or coalesce((present.ledger).pin_block <= g.ledger_pin_block, true)) as is_kept,
        -- A wallet without events has no chunk that would have begun its ledger.
        case own.state
            when 'building' then (g.chunks, g.events) = (
                select count(*)::integer, coalesce(sum(c.events), 0)::bigint
                from ledger_chunks c
                where c.chain = $3 and c.ledger_id = g.ledger_id and c.no < g.chunks)
            else own.state is null and coalesce(g.chunks, 0) = 0 and coalesce(g.events, 0) = 0
        end as is_whole
    from gate
    cross join unnest($5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::boolean[], $10::bigint[],
        $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::bigint[], $17::text[],
        $18::boolean[], $19::text[], $20::uuid[], $21::bigint[], $22::bigint[], $23::text[],
        $24::text[], $25::text[], $26::text[], $27::integer[], $28::bigint[], $30::boolean[]) with ordinality
        as g (task, fence, calls, report, is_latest, pin_block, total, realized, unrealized, fees,
            trades, transactions, win_rate, complete, wallet, ledger_id, ledger_pin_block,
            ledger_pin_time, input_hash, price_set_hash, coverage, context, chunks, events, is_part, no)
    left join lateral (
        select l as ledger
        from ledgers l
        where l.chain = $3 and l.wallet = g.wallet and l.tenant = $29 and l.state = 'current'
        limit 1
    ) as present on true
    left join lateral (
        select l.state
        from ledgers l
        where l.chain = $3 and l.ledger_id = g.ledger_id
        limit 1
    ) as own on true
    where gate.is_open
),
-- Its building ledger is nobody else's while a task is held, so that it stays as it was found.
ended as (
    update wallet_tasks t
    set state = 'done', lease_until = null, worker = null, error = null,
        calls = (
            select g.calls::json from given g
            where g.task = t.id and g.fence = t.fence and (g.is_whole or not g.is_kept)
            order by g.no
            limit 1),
        finished_at = clock_timestamp()
    where t.id = any ($5::bigint[])
      -- Put so that the index of all that runs does not fit.
      and (t.state = 'running') is true
      and t.fence = any (
          array(select g.fence from given g where g.task = t.id and (g.is_whole or not g.is_kept)))
    -- Of two ends under one lease the first.
    returning (
        select min(g.no) from given g
        where g.task = t.id and g.fence = t.fence and (g.is_whole or not g.is_kept)) as no
),
-- Looked up in a hash, not joined: each end would be compared with all others.
done as materialized (
    select * from given where (no in (select no from ended)) is true
),
attempts as (
    update wallet_attempts a
    set ended = clock_timestamp(), outcome = 'done'
    where a.task = any (array(select task from done))
      and a.fence = any (array(select d.fence from done d where d.task = a.task))
      and a.ended is null
),
results as (
    insert into pnl_results (
        chain, batch_id, wallet, task, fence, report, total_pnl_usd, realized_gain_usd, unrealized_gain_usd,
        fees_usd, trades, transactions)
    select $3, $1, wallet, task, fence, report::json, total::numeric, realized::numeric, unrealized::numeric,
        fees::numeric, trades, transactions
    from done
),
latest as (
    insert into latest_results (
        chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd, unrealized_gain_usd,
        fees_usd, trades, transactions, token_win_rate, complete, tenant)
    select $3, wallet, $1, pin_block, total::numeric, realized::numeric, unrealized::numeric,
        fees::numeric, trades, transactions, win_rate::numeric, complete,
        $29
    from done
    where is_latest
    order by task
    on conflict (tenant, chain, wallet) do update
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
    where latest_results.pin_block <= excluded.pin_block
    returning wallet
),
-- Each of these is there, so that nothing is inserted. It waits for the count of the latest figures: whoever
-- removes a batch locks them before the ledgers, too.
superseded as (
    insert into ledgers
    select (present).*
    from done
    where is_kept and not is_part and (present).ledger_id is not null
      and (select count(*) from latest) >= 0
    order by task
    on conflict (chain, ledger_id) do update
    set state = 'superseded', superseded_at = clock_timestamp()
    returning ledger_id
),
made as (
    insert into ledgers (
        chain, ledger_id, wallet, task, fence, state, pin_block, pin_block_time, input_hash,
        price_set_hash, coverage, context, chunks, events, tenant, superseded_at)
    select $3, ledger_id, wallet, task, fence, case when is_part then 'superseded' else 'current' end,
        ledger_pin_block, ledger_pin_time, input_hash, price_set_hash, coverage::json, context::json,
        chunks, events, $29, case when is_part then clock_timestamp() end
    from done
    where is_kept
      -- What becomes current waits for the count: there is one current ledger at any moment.
      and (select count(*) from superseded) >= 0
    order by task
    on conflict (chain, ledger_id) do update
    set state = excluded.state, pin_block = excluded.pin_block,
        pin_block_time = excluded.pin_block_time, input_hash = excluded.input_hash,
        price_set_hash = excluded.price_set_hash, coverage = excluded.coverage,
        context = excluded.context, chunks = excluded.chunks, events = excluded.events,
        superseded_at = excluded.superseded_at
    where ledgers.state = 'building'
),
-- What was built for a ledger that is not kept; its chunks go with it.
discarded as (
    delete from ledgers l
    -- Put so that only the index of tasks fits.
    where (l.chain = $3) is true
      and l.task = any (array(select task from done where not is_kept))
      and (l.state = 'building') is true
)
select
    given.no as "no?",
    -- The end of a lease that is held, whose ledger is not what its head says.
    given.is_kept and not given.is_whole and (
        select t.id from wallet_tasks t
        where t.id = given.task and t.fence = given.fence and (t.state = 'running') is true
        limit 1) is not null as "is_broken?",
    (given.no in (select no from ended)) is true as "ended!",
    -- Whoever has a slot free looks for a wallet that waited for this one in another batch.
    case when (given.no in (select no from ended)) and (
        select t.id from wallet_tasks t
        where t.chain = $3 and t.wallet = given.wallet
          and coalesce(t.lease_until, t.finished_at) is null and t.run_at is null
        limit 1) is not null
    then pg_notify($4, '') is not null end as "told?"
from gate
left join given on true
