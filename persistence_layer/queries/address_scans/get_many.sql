-- address_scans/get_many: $1 chain, $2 addresses. `is_old`: not marked as used for a day.
-- Each address is looked up by itself: with a list the planner may read all rows of the chain, by a
-- plan that was made while the table was small.
select s.address as "address!", s.covered_until, s.covered_slot as "covered_slot!", s.head, s.before,
    s.updated_at < now() - interval '1 day' as "is_old!"
from unnest($2::text[]) as asked (address)
cross join lateral (
    select * from address_scans where chain = $1 and address = asked.address limit 1
) as s
