-- ledgers/remove_stale: $1 how long a superseded ledger stays, $2 how long one that no result names,
-- $3 limit of each kind
with replaced as (
    select l.chain, l.ledger_id
    from ledgers l
    where l.state = 'superseded' and l.superseded_at < now() - $1::interval
    order by l.superseded_at
    limit $3
    for update of l skip locked
),
-- Its batch is gone, or it was a copy for a group that is complete.
unnamed as (
    select l.chain, l.ledger_id
    from ledgers l
    where l.state = 'superseded' and l.task is null and l.superseded_at < now() - $2::interval
    order by l.superseded_at
    limit $3
    for update of l skip locked
),
abandoned as (
    select l.chain, l.ledger_id
    from ledgers l
    where l.state = 'building'
      and not exists (
          select from wallet_tasks t
          where t.id = l.task and t.fence = l.fence and t.state = 'running')
      -- The next attempt goes on with it.
      and not exists (
          select from ledger_checkpoints c
          join wallet_tasks t on t.id = c.task
          where c.task = l.task and c.chain = l.chain and c.ledger_id = l.ledger_id
            and t.state in ('queued', 'delayed', 'running'))
    limit $3
    for update of l skip locked
)
delete from ledgers
where (chain, ledger_id) in (
    select chain, ledger_id from replaced
    union all
    select chain, ledger_id from unnamed
    union all
    select chain, ledger_id from abandoned)
