-- address_signatures/slots: $1 chain, $2 addresses, $3 last slot, $4 how many of each list at most: the
-- newest, and the rest of the slot of the oldest of them; $5 slot up to which newer ones are told. In no
-- order; a transaction that is in several lists comes several times. A row without id: there are newer ones.
select listed.tx_id, listed.slot as "slot!"
from unnest($2::text[]) as given (address)
cross join lateral (
    select s.tx_id, s.slot from address_signatures s
    where s.chain = $1 and s.address = given.address and s.slot <= $3
    order by s.slot desc
    fetch first $4 rows with ties
) as listed
union all
(
    select null, s.slot from address_signatures s
    where s.chain = $1 and s.address = any ($2::text[]) and s.slot > $3 and s.slot <= $5
    limit 1
)
