-- batches/request_cancel: $1 batch, $2 tenant
update batches set cancel_requested = true where id = $1 and tenant = $2
