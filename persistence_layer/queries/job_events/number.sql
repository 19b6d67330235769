-- job_events/number: $1 jobs, whose locks are held: nobody else changes these rows. What was written before has
-- a smaller id.
with jobs as materialized (
    select w.id,
        coalesce((select max(l.seq) from job_events l where l.batch_id = w.id), 0) as last
    from unnest($1::uuid[]) as w (id)
)
update job_events e
set seq = fresh.seq
from (
    select n.ctid as place,
        jobs.last + row_number() over (partition by n.batch_id order by n.id) as seq
    from jobs
    join job_events n on n.batch_id = jobs.id and n.seq is null
) as fresh
where e.ctid = fresh.place
