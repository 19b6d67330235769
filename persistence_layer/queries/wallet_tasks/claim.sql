-- wallet_tasks/claim: $1 worker, $2 free slots, $3 lease, $4 chains that may be claimed
-- Made so that no plan can be slow, also with stale statistics: each chain is read from its own end
-- of the ready index (a paused one costs nothing), a row is checked by a subquery that cannot
-- become a join, and what was picked comes as an array.
with foremost as materialized (
    select ready.*
    from unnest($4::text[]) as allowed (chain)
    cross join lateral (
        select t.id, t.chain, t.wallet, t.prio, t.vtime
        from wallet_tasks t
        where t.state = 'queued'
          and t.chain = allowed.chain
          -- One fetch per wallet at a time: pass over those that run elsewhere ...
          and (
              select r.id from wallet_tasks r
              where r.state = 'running' and r.chain = t.chain and r.wallet = t.wallet
              limit 1) is null
        order by t.prio, t.vtime, t.id
        limit $2
        for update of t skip locked
    ) as ready
),
picked as materialized (
    select id
    from (
        -- ... and take one of two that both wait here.
        select distinct on (chain, wallet) id, prio, vtime
        from foremost
        order by chain, wallet, prio, vtime, id
    ) as one_per_wallet
    order by prio, vtime, id
    limit $2
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
    where t.id = any (array(select id from picked))
    returning t.*
),
opened as (
    insert into wallet_attempts (task, fence, worker)
    select id, fence, $1 from claimed
)
select c.id, c.fence, c.batch_id, b.tenant, c.chain, c.wallet, c.ordinal, c.attempts, c.continuations,
    c.takeovers, b.trace_id, b.request, b.pin_block, b.pin_block_time,
    b.started_at is null as "is_unstarted!",
    (select s.address from address_scans s
     where s.chain = c.chain and s.address = c.wallet
     limit 1) is null as "is_unlisted!",
    -- Delayed tasks whose time has come: only they have one.
    (select t.id from wallet_tasks t where t.run_at <= now() limit 1) is not null as "others_are_due!"
from claimed c
join batches b on b.id = c.batch_id
order by c.prio, c.vtime, c.id
