-- batches/touch: $1 batch
update batches set updated_at = clock_timestamp() where id = $1
