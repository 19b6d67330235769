-- ledgers/put_current: $1 chain, $2 wallet, $3 ledger, $4 task, $5 fence, $6 pin block, $7 pin time,
-- $8 input hash, $9 price set hash, $10 coverage and $11 context as text, $12 chunks, $13 events
-- Unless the current one has a newer pin. Not made: its chunks are not those its head names.
with newer as materialized (
    select exists (
        select from ledgers
        where chain = $1 and wallet = $2 and state = 'current' and pin_block > $6) as found
),
superseded as (
    update ledgers
    set state = 'superseded', superseded_at = clock_timestamp()
    where chain = $1 and wallet = $2 and state = 'current' and not (select found from newer)
    returning ledger_id
),
-- What becomes current waits for the count: there is one current ledger at any moment.
completed as (
    update ledgers
    set state = 'current', pin_block = $6, pin_block_time = $7, input_hash = $8,
        price_set_hash = $9, coverage = $10::text::json, context = $11::text::json,
        chunks = $12, events = $13
    where chain = $1 and ledger_id = $3 and state = 'building'
      and not (select found from newer)
      and (select count(*) from superseded) >= 0
      and ($12::integer, $13::bigint) = (
          select count(*)::integer, coalesce(sum(c.events), 0)::bigint
          from ledger_chunks c
          where c.chain = $1 and c.ledger_id = $3 and c.no < $12)
    returning ledger_id
),
-- A wallet without events has no chunk that would have begun its ledger.
begun as (
    insert into ledgers (
        chain, ledger_id, wallet, task, fence, state, pin_block, pin_block_time, input_hash,
        price_set_hash, coverage, context, chunks, events)
    select $1, $3, $2, $4, $5, 'current', $6, $7, $8, $9, $10::text::json, $11::text::json, 0, 0
    where $12 = 0 and $13 = 0
      and not (select found from newer)
      and (select count(*) from superseded) >= 0
    on conflict (chain, ledger_id) do nothing
    returning ledger_id
)
select (select found from newer) as "newer!",
    exists (select from completed) or exists (select from begun) as "made!"
