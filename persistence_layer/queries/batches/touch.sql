-- batches/touch: $1 batch. Not worth waiting for: whoever holds the row notes a change as well.
update batches
set updated_at = clock_timestamp()
where id = (select id from batches where id = $1 for no key update skip locked)
