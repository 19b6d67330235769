-- watched_wallets/put: $1 tenant, $2 chain, $3 wallets, $4 request as text, $5 interval in seconds. What is there
-- already and differs is due at once, also when it was parked.
with written as (
    insert into watched_wallets as w (tenant, chain, wallet, request, every_seconds)
    select $1, $2, given.wallet, $4::text::json, $5
    from unnest($3::text[]) as given (wallet)
    on conflict (tenant, chain, wallet) do update
    set request = excluded.request, every_seconds = excluded.every_seconds,
        next_at = clock_timestamp(), failures = 0, parked_at = null
    where w.request::text <> excluded.request::text or w.every_seconds <> excluded.every_seconds
    -- Only a row that was there has been locked.
    returning xmax = 0 as is_new
)
select count(*) filter (where is_new) as "added!", count(*) filter (where not is_new) as "changed!"
from written
