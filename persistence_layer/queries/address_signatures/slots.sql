-- address_signatures/slots: $1 chain, $2 addresses, $3 last slot. In no order; a transaction that is
-- in several lists comes several times.
select tx_id, slot from address_signatures
where chain = $1 and address = any ($2::text[]) and slot <= $3
