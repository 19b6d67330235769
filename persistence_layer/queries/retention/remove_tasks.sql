-- retention/remove_tasks: $1 batch, $2 limit. Attempts go with their tasks; ledgers made by them lose
-- their maker.
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
