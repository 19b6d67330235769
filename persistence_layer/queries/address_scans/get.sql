-- address_scans/get: $1 chain, $2 address
select covered_until, covered_slot, head, before from address_scans
where chain = $1 and address = $2
