-- batches/count_active: $1 tenant, or null where it does not matter. Rounds take no places.
select count(*) filter (where waiting_since is null) as "admitted!",
    count(*) filter (where waiting_since is not null) as "waiting!",
    count(*) filter (where waiting_since is not null and tenant = $1) as "waiting_of_tenant!"
from batches
where state = 'active' and not is_round
