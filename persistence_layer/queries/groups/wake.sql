-- groups/wake: $1 batch, or null for all. The tasks of groups whose last wallet has ended become ready.
-- That of a group is the last one of its batch: it is the first open one when nothing else is open. What
-- waits for admission, waits.
update wallet_tasks g
set state = 'queued', run_at = null
where g.run_at = 'infinity'
  and g.id = any (array(
    select open.id
    from batches b
    cross join lateral (
        select t.id, t.wallet
        from wallet_tasks t
        where t.batch_id = b.id and t.finished_at is null
        order by t.ordinal
        limit 1
    ) as open
    where b.state = 'active'
      and b.waiting_since is null
      and ($1::uuid is null or b.id = $1)
      and open.wallet = 'group:' || b.id))
