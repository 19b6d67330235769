-- batches/oldest_waiting: $1 how many; the admission row is locked. One whose row is held is being
-- cancelled: it leaves by itself.
select id from batches
where state = 'active' and waiting_since is not null
order by waiting_since, id
limit $1
for no key update skip locked
