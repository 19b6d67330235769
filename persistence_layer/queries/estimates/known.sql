-- estimates/known: $1 chain, $2 wallets, $3 tenant. Of each that has a full-history result the calls of the analysis that made it,
-- by method. Each is looked up by itself: with a list the planner may read all rows of the chain.
select t.calls
from unnest($2::text[]) as asked (wallet)
cross join lateral (
    select l.batch_id from latest_results l where l.tenant = $3 and l.chain = $1 and l.wallet = asked.wallet limit 1
) as latest
cross join lateral (
    select t.calls from wallet_tasks t
    where t.batch_id = latest.batch_id and t.chain = $1 and t.wallet = asked.wallet
    limit 1
) as t
