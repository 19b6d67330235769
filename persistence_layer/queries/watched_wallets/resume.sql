-- watched_wallets/resume: $1 tenant, $2 chain, $3 wallet. One that is not parked stays as it is.
update watched_wallets
set parked_at = null, failures = 0, next_at = clock_timestamp()
where tenant = $1 and chain = $2 and wallet = $3 and parked_at is not null
