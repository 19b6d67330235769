-- ledgers/complete: $1 chain, $2 ledger, $3 pin block, $4 pin time, $5 input hash, $6 price set hash,
-- $7 coverage and $8 context as text, $9 chunks, $10 events. No row: its chunks are not all there.
update ledgers
set state = 'current', pin_block = $3, pin_block_time = $4, input_hash = $5, price_set_hash = $6,
    coverage = $7::text::json, context = $8::text::json, chunks = $9, events = $10
where chain = $1 and ledger_id = $2 and state = 'building'
  and ($9::integer, $10::bigint) = (
      select count(*)::integer, coalesce(sum(c.events), 0)::bigint
      from ledger_chunks c
      where c.chain = $1 and c.ledger_id = $2 and c.no < $9)
