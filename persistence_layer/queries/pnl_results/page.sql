-- pnl_results/page: $1 batch, $2 ordinal to begin behind, $3 limit, $4 tenant. Wallets alone: the group
-- of a batch, if it is one, has its own result.
select t.ordinal, t.wallet, t.state, t.error, t.fence, t.started_at, t.finished_at, t.calls,
    r.report::text as report
from wallet_tasks t
left join pnl_results r
    on t.state = 'done' and r.batch_id = t.batch_id and r.chain = t.chain and r.wallet = t.wallet
where t.batch_id = $1 and t.ordinal > $2 and t.wallet <> 'group:' || $1::uuid
  and exists (select from batches b where b.id = t.batch_id and b.tenant = $4)
order by t.ordinal
limit $3
