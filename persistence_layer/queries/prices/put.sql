-- prices/put: $1 source, $2 coins, $3 hours, $4 prices as text or null, $5 their times or null
-- In key order, so that two writers of the same prices cannot wait for each other in a circle. Gives
-- how many are news: not asked before, or known now.
with stored as (
    insert into prices (source, coin, at_hour, price, price_time)
    select distinct on (coin, at_hour) $1, coin, at_hour, price::numeric, price_time
    from unnest($2::text[], $3::bigint[], $4::text[], $5::bigint[])
        as answer (coin, at_hour, price, price_time)
    order by coin, at_hour, price_time nulls last
    on conflict (source, coin, at_hour) do update
    set price = excluded.price, price_time = excluded.price_time, asked_at = clock_timestamp()
    where prices.price is null
    -- An inserted row has no xmax.
    returning prices.xmax = 0 or prices.price is not null as is_news
)
select count(*) filter (where is_news) as "news!" from stored
