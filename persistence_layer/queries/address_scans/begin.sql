-- address_scans/begin: $1 chain, $2 address
insert into address_scans (chain, address) values ($1, $2)
on conflict (chain, address) do nothing
