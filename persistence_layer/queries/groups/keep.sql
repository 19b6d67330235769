-- groups/keep: $1 chain, $2 ledger that was built, $3 name under which a group finds it, $4 id of the copy,
-- $5 task, $6 fence, $7 pin block, $8 pin time, $9 input hash, $10 price set hash, $11 coverage and
-- $12 context as text, $13 chunks, $14 events, $15 tenant
-- A ledger that is read may be replaced before the last wallet of its batch has ended, and one that was cut
-- is never read: the group has its own.
with head as (
    insert into ledgers (
        chain, ledger_id, wallet, task, fence, state, pin_block, pin_block_time, input_hash,
        price_set_hash, coverage, context, chunks, events, tenant)
    values ($1, $4, $3, $5, $6, 'current', $7, $8, $9, $10, $11::text::json, $12::text::json, $13, $14, $15)
)
insert into ledger_chunks (chain, ledger_id, no, events, payload)
select $1, $4, c.no, c.events, c.payload
from ledger_chunks c
where c.chain = $1 and c.ledger_id = $2 and c.no < $13
