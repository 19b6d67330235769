-- retention/remove_tombstones: $1 limit. A year is longer than any client remembers a job.
delete from expired_batches
where id in (
    select id from expired_batches
    where removed and expired_at < clock_timestamp() - interval '1 year'
    order by expired_at
    limit $1)
