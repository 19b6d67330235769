-- batches/next_waiting: the waiting batch that is admitted next: of the tenant with the fewest admitted ones, the
-- one that waits longest. The admission row is locked. One whose row is held is being cancelled: it leaves
-- by itself.
select b.id
from batches b
left join (
    select tenant, count(*) as places
    from batches
    where state = 'active' and waiting_since is null and not is_round
    group by tenant
) as held on held.tenant = b.tenant
where b.state = 'active' and b.waiting_since is not null
order by coalesce(held.places, 0), b.waiting_since, b.id
limit 1
for no key update of b skip locked
