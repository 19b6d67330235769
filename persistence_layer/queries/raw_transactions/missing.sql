-- raw_transactions/missing: $1 chain, $2 ids. In the given order.
select wanted.tx_id as "tx_id!"
from unnest($2::text[]) with ordinality as wanted (tx_id, place)
where not exists (
    select from raw_transactions r where r.chain = $1 and r.tx_id = wanted.tx_id)
order by wanted.place
