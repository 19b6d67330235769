-- latest_results/newest: $1 tenant, $2 all chains. The first row of an index for each chain. A time to come, of another
-- server's clock, is as far away as one that is over, so that it does not stand still.
select newest as "newest!",
    abs(extract(epoch from clock_timestamp() - newest))::bigint as "seconds!"
from (
    select coalesce(max(l.analyzed_at), 'epoch') as newest
    from unnest($2::text[]) as c (chain)
    cross join lateral (
        select analyzed_at from latest_results
        where tenant = $1 and chain = c.chain
        order by analyzed_at desc
        limit 1
    ) l
) n
