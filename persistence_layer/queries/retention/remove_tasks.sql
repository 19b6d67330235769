-- retention/remove_tasks: $1 batch, $2 limit. Attempts go with their tasks; ledgers made by them lose
-- their maker, and a snapshot goes with the last batch of its pin that has the wallet.
with gone as materialized (
    select id, chain, wallet from wallet_tasks
    where batch_id = $1
    order by ordinal
    limit $2
),
results as (
    delete from pnl_results r
    using gone
    where r.batch_id = $1 and r.chain = gone.chain and r.wallet = gone.wallet
),
snapshots as (
    delete from balance_snapshots s
    using gone, batches b
    where b.id = $1 and s.chain = gone.chain and s.wallet = gone.wallet and s.pin_block = b.pin_block
      and not exists (
          select from batches o
          join wallet_tasks t on t.batch_id = o.id and t.chain = o.chain and t.wallet = gone.wallet
          where o.chain = b.chain and o.pin_block = b.pin_block and o.id <> b.id)
),
latest as (
    delete from latest_results l
    using gone
    where l.batch_id = $1 and l.chain = gone.chain and l.wallet = gone.wallet
),
replaced as (
    delete from replaced_results l
    using gone
    where l.batch_id = $1 and l.chain = gone.chain and l.wallet = gone.wallet
)
delete from wallet_tasks t
using gone
where t.id = gone.id
