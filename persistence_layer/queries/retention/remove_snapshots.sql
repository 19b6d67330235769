-- retention/remove_snapshots: $1 how long ended batches are kept, $2 limit. A batch that is still
-- there may be retried with its pin.
delete from balance_snapshots
where (chain, wallet, pin_block) in (
    select s.chain, s.wallet, s.pin_block
    from balance_snapshots s
    where s.taken_at < now() - $1::interval
      and not exists (
          select from batches b where b.chain = s.chain and b.pin_block = s.pin_block)
    order by s.taken_at
    limit $2)
