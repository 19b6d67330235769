-- wallet_tasks/claim: $1 worker, $2 free slots, $3 lease, $4 chains not to be claimed
with picked as materialized (
    select t.id
    from wallet_tasks t
    where t.state = 'queued'
      and t.chain <> all ($4::text[])
      -- One fetch per wallet at a time ...
      and not exists (
          select from wallet_tasks r
          where r.state = 'running' and r.chain = t.chain and r.wallet = t.wallet)
      -- ... also within this statement: only the foremost waiting task of a wallet.
      and not exists (
          select from wallet_tasks q
          where q.state = 'queued' and q.chain = t.chain and q.wallet = t.wallet
            and (q.prio, q.vtime, q.id) < (t.prio, t.vtime, t.id))
    order by t.prio, t.vtime, t.id
    limit $2
    for update of t skip locked
),
claimed as (
    update wallet_tasks t
    set state = 'running',
        fence = t.fence + 1,
        worker = $1,
        lease_until = now() + $3::interval,
        progress_at_claim = t.progress,
        wait_reason = null,
        started_at = coalesce(t.started_at, clock_timestamp())
    from picked
    where t.id = picked.id
    returning t.*
),
opened as (
    insert into wallet_attempts (task, fence, worker)
    select id, fence, $1 from claimed
)
select c.id, c.fence, c.batch_id, c.chain, c.wallet, c.ordinal, c.attempts, c.continuations,
    c.takeovers, b.trace_id, b.request, b.pin_block, b.pin_block_time
from claimed c
join batches b on b.id = c.batch_id
order by c.prio, c.vtime, c.id
