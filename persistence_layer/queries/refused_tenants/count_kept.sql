-- refused_tenants/count_kept: $1 tenant that asks for a place, $2 for how long one is kept for whoever was refused.
-- The places that are kept from it: one for each tenant that has fewer. The admission row is locked.
with held as (
    select tenant, count(*) as places
    from batches
    where state = 'active' and waiting_since is null and not is_round
    group by tenant
)
select count(*) as "kept!"
from refused_tenants r
left join held on held.tenant = r.tenant
where r.tenant <> $1
  and r.refused_at > clock_timestamp() - $2::interval
  and coalesce(held.places, 0) < coalesce((select places from held where tenant = $1), 0)
