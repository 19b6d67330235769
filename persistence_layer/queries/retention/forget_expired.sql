-- retention/forget_expired: $1 batch, which an older program has opened again
delete from expired_batches where id = $1
