-- retention/remove_replaced_results: $1 how long they are kept, $2 limit
delete from replaced_results
where ctid = any (array(
    select ctid from replaced_results where replaced_at < clock_timestamp() - $1::interval limit $2))
