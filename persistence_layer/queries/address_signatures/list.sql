-- address_signatures/list: $1 chain, $2 address, $3 last slot. Newest first.
select tx_id, slot, block_time, failed from address_signatures
where chain = $1 and address = $2 and slot <= $3
order by slot desc, pass desc, pos
