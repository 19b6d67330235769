-- job_events/number: $1 job, whose lock is held: nobody else changes these rows. What was written before has
-- a smaller id.
update job_events e
set seq = fresh.seq
from (
    select n.ctid as place,
        coalesce((select max(l.seq) from job_events l where l.batch_id = $1), 0)
            + row_number() over (order by n.id) as seq
    from job_events n
    where n.batch_id = $1 and n.seq is null
) as fresh
where e.ctid = fresh.place
