-- batches/start: $1 batches of which a task was claimed
-- The claim holds tasks, so it must not wait for a batch's row here. A skipped one is started by
-- the next claim, or when it is closed.
update batches
set started_at = clock_timestamp(), updated_at = clock_timestamp()
where id = any (array(
    select id from batches
    where id = any ($1::uuid[]) and started_at is null
    for no key update skip locked))
