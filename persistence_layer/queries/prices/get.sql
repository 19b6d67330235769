-- prices/get: $1 source, $2 coins, $3 hours. One row per question, in order.
select p.price::text as price, p.price_time as "price_time?", p.asked_at as "asked_at?"
from unnest($2::text[], $3::bigint[]) with ordinality as ask (coin, at_hour, place)
left join prices p
    on p.source = $1 and p.coin = ask.coin and p.at_hour = ask.at_hour
order by ask.place
