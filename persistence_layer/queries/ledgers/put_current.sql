-- ledgers/put_current: ledgers of one chain. $1 chain, then arrays of one length: $2 wallets, $3 ledgers,
-- $4 tasks, $5 fences, $6 pin blocks, $7 pin times, $8 input hashes, $9 price set hashes, $10 coverages
-- and $11 contexts as text, $12 chunks, $13 events
-- Each unless the current one of its wallet has a newer pin. Not made: its chunks are not those its
-- head names.
-- Rows are looked up one by one, and changed where an insert meets them: that goes by the whole key
-- always, while an update of a list of ids may read all of a chain by a plan that was made while the
-- table was small.
with given as materialized (
    select g.*, present.ledger as present,
        coalesce((present.ledger).pin_block > g.pin_block, false) as newer,
        own.state as own_state
    from unnest($2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::text[], $9::text[], $10::text[], $11::text[], $12::integer[], $13::bigint[])
        as g (wallet, ledger_id, task, fence, pin_block, pin_block_time, input_hash, price_set_hash,
            coverage, context, chunks, events)
    left join lateral (
        select l as ledger
        from ledgers l
        where l.chain = $1 and l.wallet = g.wallet and l.state = 'current'
        limit 1
    ) as present on true
    left join lateral (
        select l.state
        from ledgers l
        where l.chain = $1 and l.ledger_id = g.ledger_id
        limit 1
        -- One that is being removed is not there.
        for no key update
    ) as own on true
),
-- Each of these is there, so that nothing is inserted.
superseded as (
    insert into ledgers
    select (present).* from given where (present).ledger_id is not null and not newer
    on conflict (chain, ledger_id) do update
    set state = 'superseded', superseded_at = clock_timestamp()
    returning ledger_id
),
-- A wallet without events has no chunk that would have begun its ledger.
made as (
    insert into ledgers (
        chain, ledger_id, wallet, task, fence, state, pin_block, pin_block_time, input_hash,
        price_set_hash, coverage, context, chunks, events)
    select $1, ledger_id, wallet, task, fence, 'current', pin_block, pin_block_time, input_hash,
        price_set_hash, coverage::json, context::json, chunks, events
    from given g
    where not newer
      -- What becomes current waits for the count: there is one current ledger at any moment.
      and (select count(*) from superseded) >= 0
      and case own_state
          when 'building' then (chunks, events) = (
              select count(*)::integer, coalesce(sum(c.events), 0)::bigint
              from ledger_chunks c
              where c.chain = $1 and c.ledger_id = g.ledger_id and c.no < g.chunks)
          else own_state is null and chunks = 0 and events = 0
          end
    on conflict (chain, ledger_id) do update
    set state = excluded.state, pin_block = excluded.pin_block,
        pin_block_time = excluded.pin_block_time, input_hash = excluded.input_hash,
        price_set_hash = excluded.price_set_hash, coverage = excluded.coverage,
        context = excluded.context, chunks = excluded.chunks, events = excluded.events
    where ledgers.state = 'building'
    returning ledger_id
)
select task as "task!", newer as "newer!", ledger_id in (select ledger_id from made) as "made!"
from given
