-- retention/remove_events: $1 batch, $2 limit
delete from job_events
where batch_id = $1
  and ctid = any (array(select ctid from job_events where batch_id = $1 limit $2))
