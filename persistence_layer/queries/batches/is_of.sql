-- batches/is_of: $1 batch, $2 tenant. Whether it is the tenant's and not being removed. A batch never changes
-- hands: what is true stays so without a lock.
select exists (
    select from batches b
    where b.id = $1 and b.tenant = $2
      and not exists (select from expired_batches e where e.id = b.id)) as "is_of!"
