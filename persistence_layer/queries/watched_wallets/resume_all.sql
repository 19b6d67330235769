-- watched_wallets/resume_all: $1 tenant, $2 chain or null, $3 code of the last error or null, $4 limit. Lets parked
-- wallets go on.
update watched_wallets
set parked_at = null, failures = 0, next_at = clock_timestamp()
where id in (
    select w.id from watched_wallets w
    where w.tenant = $1 and w.parked_at is not null
      and ($2::text is null or w.chain = $2)
      and ($3::text is null or w.error ->> 'code' = $3)
    order by w.id
    limit $4
    for update)
