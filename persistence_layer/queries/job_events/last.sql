-- job_events/last: $1 job. The highest number so far, 0 without any.
select coalesce(max(seq), 0) as "last!" from job_events where batch_id = $1
