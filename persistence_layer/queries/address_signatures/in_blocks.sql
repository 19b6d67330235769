-- address_signatures/in_blocks: $1 chain, $2 addresses, $3 slots. Oldest first in each list.
select address, slot, tx_id from address_signatures
where chain = $1 and address = any ($2::text[]) and slot = any ($3::bigint[])
order by address, slot, pass, pos desc
