-- job_events/of_row: $1 job, $2 id of a row of it that has its number. The newest are looked at first.
select e.batch_id, e.seq as "seq!", e.kind, e.wallet, e.error_code, e.at
from job_events e
where e.batch_id = $1 and e.id = $2 and e.seq is not null
order by e.seq desc
limit 1
