-- address_scans/lock: $1 chain, $2 address. Made when it is not there.
insert into address_scans (chain, address) values ($1, $2)
on conflict (chain, address) do update set chain = excluded.chain
returning pass as walk, head, covered_slot
