-- retention/remove_batch: $1 batch, whose tasks are gone
delete from batches where id = $1
