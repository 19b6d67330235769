-- expired_batches/get: $1 batch, $2 tenant
select expired_at from expired_batches where id = $1 and tenant = $2
