-- expired_batches/get: $1 batch
select expired_at from expired_batches where id = $1
