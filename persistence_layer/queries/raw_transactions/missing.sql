-- raw_transactions/missing: $1 chain, $2 ids. In the given order.
-- What is there is marked as used, to the day, so that retention leaves it alone. A row that is
-- neither marked lately nor could be marked now is `unsure`: it was removed while this statement
-- waited, or marked by another one, which only a later statement sees.
with marked as (
    update raw_transactions r
    set used_at = clock_timestamp()
    where r.chain = $1
      and r.tx_id = any (array(
          select old.tx_id from raw_transactions old
          where old.chain = $1
            and old.tx_id = any ($2::text[])
            and coalesce(old.used_at, old.stored_at) < now() - interval '1 day'
          order by old.tx_id
          for update))
    returning r.tx_id
)
select wanted.tx_id as "tx_id!",
    exists (
        select from raw_transactions r
        where r.chain = $1 and r.tx_id = wanted.tx_id) as "unsure!"
from unnest($2::text[]) with ordinality as wanted (tx_id, place)
where not exists (
    select from raw_transactions r
    where r.chain = $1
      and r.tx_id = wanted.tx_id
      and coalesce(r.used_at, r.stored_at) >= now() - interval '1 day')
  and not exists (select from marked where marked.tx_id = wanted.tx_id)
order by wanted.place
