-- watched_wallets/remove: $1 tenant, $2 chain, $3 wallet. Whether its row is to go.
update watched_wallets
set removed_at = clock_timestamp()
where tenant = $1 and chain = $2 and wallet = $3 and removed_at is null
