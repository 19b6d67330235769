-- retention/expire_batches: $1 how long an ended batch is kept, $2 limit
-- From here on the batch is gone for clients; its rows follow.
insert into expired_batches (id, chain, finished_at, tenant)
select b.id, b.chain, b.finished_at, b.tenant
from batches b
where b.finished_at < now() - $1::interval
  and b.state <> 'active'
  and not exists (select from expired_batches e where e.id = b.id)
order by b.finished_at
limit $2
for no key update of b skip locked
on conflict (id) do nothing
