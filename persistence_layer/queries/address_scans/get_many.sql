-- address_scans/get_many: $1 chain, $2 addresses
-- Marked as used, to the day, so that retention leaves the lists alone. A row that is neither marked
-- lately nor could be marked now is `unsure`: it was removed while this statement waited, or marked by
-- another one, which only a later statement sees.
-- Each address is looked up by itself: as a list they would be compared with every row by a plan that
-- was made while the table was small.
with known as materialized (
    select s.*
    from unnest($2::text[]) as asked (address)
    cross join lateral (
        select address, covered_until, covered_slot, head, before, updated_at
        from address_scans
        where chain = $1 and address = asked.address
        limit 1
    ) as s
),
marked as (
    update address_scans s
    set updated_at = clock_timestamp()
    where s.chain = $1
      and s.address = any (array(
          select old.address from address_scans old
          where old.chain = $1
            and old.address = any (array(
                select address from known where updated_at < now() - interval '1 day'))
            and old.updated_at < now() - interval '1 day'
          order by old.address
          for update))
    returning s.address, s.covered_until, s.covered_slot, s.head, s.before
)
select address as "address!", covered_until, covered_slot as "covered_slot!", head, before,
    false as "unsure!"
from marked
union all
select address, covered_until, covered_slot, head, before, updated_at < now() - interval '1 day'
from known
where address not in (select address from marked)
