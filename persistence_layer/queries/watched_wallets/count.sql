-- watched_wallets/count: $1 tenant, $2 chain, $3 wallets. How many it watches, and of these.
select count(*) as "watched!",
    count(*) filter (where chain = $2 and wallet = any ($3::text[])) as "known!"
from watched_wallets
where tenant = $1 and removed_at is null
