-- retention/finish_expired: $1 batch
update expired_batches set removed = true where id = $1
