-- address_signatures/insert: $1 chain, $2 address, $3 ids newest first, $4 slots, $5 block times,
-- $6 failed, $7 pass, $8 position of the first
insert into address_signatures (chain, address, tx_id, slot, block_time, failed, pass, pos)
select $1, $2, page.tx_id, page.slot, page.block_time, page.failed, $7, $8 + page.place - 1
from unnest($3::text[], $4::bigint[], $5::bigint[], $6::boolean[])
    with ordinality as page (tx_id, slot, block_time, failed, place)
on conflict (chain, address, tx_id) do nothing
