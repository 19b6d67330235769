-- batches/request_cancel: $1 batch
update batches set cancel_requested = true where id = $1
