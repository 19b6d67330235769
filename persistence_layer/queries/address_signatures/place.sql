-- address_signatures/place: $1 chain, $2 address, $3 id
select pass as walk, pos from address_signatures
where chain = $1 and address = $2 and tx_id = $3
