-- ledgers/put_current: ledgers of one chain. $1 chain, then arrays of one length: $2 wallets, $3 ledgers,
-- $4 tasks, $5 fences, $6 pin blocks, $7 pin times, $8 input hashes, $9 price set hashes, $10 coverages
-- and $11 contexts as text, $12 chunks, $13 events
-- Each unless the current one of its wallet has a newer pin. Not made: its chunks are not those its
-- head names.
-- The present ledgers are looked up one by one, and then named by their keys alone: in a table that
-- has just grown the planner may read all of a chain else.
with given as materialized (
    select g.*, present.ledger_id as present, coalesce(present.pin_block > g.pin_block, false) as newer
    from unnest($2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::text[], $9::text[], $10::text[], $11::text[], $12::integer[], $13::bigint[])
        as g (wallet, ledger_id, task, fence, pin_block, pin_block_time, input_hash, price_set_hash,
            coverage, context, chunks, events)
    left join lateral (
        select l.ledger_id, l.pin_block
        from ledgers l
        where l.chain = $1 and l.wallet = g.wallet and l.state = 'current'
        limit 1
    ) as present on true
),
superseded as (
    update ledgers l
    set state = 'superseded', superseded_at = clock_timestamp()
    where l.chain = $1
      and l.ledger_id = any (array(
          select present from given where present is not null and not newer))
    returning l.ledger_id
),
-- What becomes current waits for the count: there is one current ledger at any moment.
completed as (
    update ledgers l
    set state = 'current', pin_block = g.pin_block, pin_block_time = g.pin_block_time,
        input_hash = g.input_hash, price_set_hash = g.price_set_hash,
        coverage = g.coverage::json, context = g.context::json, chunks = g.chunks, events = g.events
    from given g
    where l.chain = $1 and l.ledger_id = any ($3::uuid[]) and l.state = 'building'
      and l.ledger_id = g.ledger_id and not g.newer
      and (select count(*) from superseded) >= 0
      and (g.chunks, g.events) = (
          select count(*)::integer, coalesce(sum(c.events), 0)::bigint
          from ledger_chunks c
          where c.chain = $1 and c.ledger_id = g.ledger_id and c.no < g.chunks)
    returning l.ledger_id
),
-- A wallet without events has no chunk that would have begun its ledger.
begun as (
    insert into ledgers (
        chain, ledger_id, wallet, task, fence, state, pin_block, pin_block_time, input_hash,
        price_set_hash, coverage, context, chunks, events)
    select $1, ledger_id, wallet, task, fence, 'current', pin_block, pin_block_time, input_hash,
        price_set_hash, coverage::json, context::json, 0, 0
    from given
    where chunks = 0 and events = 0 and not newer
      and (select count(*) from superseded) >= 0
    on conflict (chain, ledger_id) do nothing
    returning ledger_id
)
select task as "task!", newer as "newer!",
    ledger_id in (select ledger_id from completed)
        or ledger_id in (select ledger_id from begun) as "made!"
from given
