-- watched_wallets/put: $1 tenant, $2 chain, $3 wallets, $4 request as text, $5 interval in seconds. What is there
-- already and differs is due at once, also when it was parked. One that was taken off while its round is under way
-- stays in that round: none has two at a time.
with known as materialized (
    select wallet from watched_wallets
    where tenant = $1 and chain = $2 and wallet = any ($3::text[]) and removed_at is null
),
written as (
    insert into watched_wallets as w (tenant, chain, wallet, request, every_seconds)
    select $1, $2, given.wallet, $4::text::json, $5
    from unnest($3::text[]) as given (wallet)
    on conflict (tenant, chain, wallet) do update
    set request = excluded.request, every_seconds = excluded.every_seconds,
        next_at = clock_timestamp(), failures = 0, parked_at = null, removed_at = null,
        changed_in_round = w.batch_id is not null
    where w.request::text <> excluded.request::text or w.every_seconds <> excluded.every_seconds
       or w.removed_at is not null
    returning w.wallet
)
select count(*) filter (where k.wallet is null) as "added!", count(k.wallet) as "changed!"
from written w
left join known k on k.wallet = w.wallet
