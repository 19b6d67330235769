-- queue_report/oldest_waiting: the task that waits longest of those that could run: of the oldest
-- admitted batch with a waiting task, the foremost of these.
select t.id, t.batch_id, t.chain, t.wallet, t.state, t.wait_reason,
    (extract(epoch from clock_timestamp() - b.created_at) * 1000)::bigint as "age_ms!"
from batches b
cross join lateral (
    select w.* from wallet_tasks w
    where w.batch_id = b.id and w.finished_at is null and w.lease_until is null
      -- A group waits for its wallets.
      and w.run_at is distinct from 'infinity'
    order by w.ordinal
    limit 1
) t
where b.state = 'active' and b.waiting_since is null
order by b.id
limit 1
