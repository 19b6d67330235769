-- queue_report/running: $1 limit. Those that run longest first.
select t.id, t.batch_id, t.chain, t.wallet, t.worker as "worker!",
    t.attempts, t.continuations, t.takeovers, t.fence, t.progress,
    (extract(epoch from t.lease_until - clock_timestamp()) * 1000)::bigint as "lease_ms!",
    (extract(epoch from clock_timestamp() - a.started) * 1000)::bigint as "age_ms?"
from (select * from wallet_tasks where state = 'running') t
left join wallet_attempts a on a.task = t.id and a.fence = t.fence
order by a.started nulls first, t.id
limit $1
