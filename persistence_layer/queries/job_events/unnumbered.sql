-- job_events/unnumbered: $1 jobs. Those with events that have no number yet.
select w.id as "id!"
from unnest($1::uuid[]) as w (id)
where exists (select from job_events e where e.batch_id = w.id and e.seq is null)
