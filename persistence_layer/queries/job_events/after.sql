-- job_events/after: $1 jobs, $2 the number behind which to read of each, $3 most events of each,
-- $4 whose each job has to be
select e.batch_id, e.seq as "seq!", e.kind, e.wallet, e.error_code, e.at
from unnest($1::uuid[], $2::bigint[], $4::text[]) as w (id, last, tenant)
cross join lateral (
    select *
    from job_events e
    where e.batch_id = w.id and e.seq > w.last
    order by e.seq
    limit $3
) as e
where exists (select from batches b where b.id = w.id and b.tenant = w.tenant)
order by e.batch_id, e.seq
