-- retention/remove_transactions: $1 chain, $2 how long unused ones are kept, $3 limit
-- What was used since the oldest open batch began stays, to the day of the mark.
delete from raw_transactions
where chain = $1 and tx_id in (
    select r.tx_id
    from raw_transactions r
    where r.chain = $1
      and coalesce(r.used_at, r.stored_at) < least(
          now() - $2::interval,
          (select min(b.created_at) from batches b where b.state = 'active') - interval '1 day')
    order by coalesce(r.used_at, r.stored_at)
    limit $3
    for update skip locked)
