-- admission/set_limit: $1 most admitted batches; the row is locked
update admission set max_concurrent = $1 where id = 1
