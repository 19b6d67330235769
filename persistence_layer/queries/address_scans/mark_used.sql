-- address_scans/mark_used: $1 chain, $2 addresses. To the day, so that retention leaves the lists alone.
-- What is removed, or marked by another one, while this waits is left as it is. Each address is looked up
-- by itself, see get_many.sql, and locked in order; what was locked is reached by its place.
with old as materialized (
    select s.place
    from (select distinct address from unnest($2::text[]) as given (address) order by address) as asked
    cross join lateral (
        select ctid as place from address_scans
        where chain = $1 and address = asked.address and updated_at < now() - interval '1 day'
        limit 1
        for update
    ) as s
)
update address_scans s
set updated_at = clock_timestamp()
from old
where s.ctid = old.place
