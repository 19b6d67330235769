-- address_signatures/walked: $1 chain, $2 address, $3 last slot that counts, $4 the place of a walk.
-- How many rows there are from the newest one down to that place, and the row right above it.
with walked as (
    select s.tx_id, s.slot, s.pass, s.pos, s.tx_id = place.tx_id as is_place
    from address_signatures s
    join address_signatures place
        on place.chain = s.chain and place.address = s.address and place.tx_id = $4
    where s.chain = $1 and s.address = $2
      and (s.slot > place.slot
          or (s.slot = place.slot
              and (s.pass > place.pass or (s.pass = place.pass and s.pos <= place.pos))))
)
select
    (select count(*) from walked where slot <= $3) as "rows!",
    (select tx_id from walked where not is_place order by slot, pass, pos desc limit 1) as above
