-- batches/purge: $1 batch, which is over and whose row is locked. From here on it is gone for clients, as when its time
-- is over (retention/expire_batches).
insert into expired_batches (id, chain, finished_at, tenant)
select id, chain, finished_at, tenant
from batches
where id = $1
on conflict (id) do nothing
