-- batches/admit: $1 batch
update batches set waiting_since = null, updated_at = clock_timestamp() where id = $1
