-- address_scans/lock: $1 chain, $2 address
select pass, next_pos, head, covered_slot from address_scans
where chain = $1 and address = $2
for update
