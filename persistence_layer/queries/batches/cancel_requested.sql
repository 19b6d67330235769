-- batches/cancel_requested: $1 batch
select cancel_requested from batches where id = $1
