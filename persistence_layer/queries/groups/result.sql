-- groups/result: $1 batch, $2 tenant. The group of the batch as a row of its results.
select t.ordinal, t.wallet, t.state, t.error, t.fence, t.started_at, t.finished_at, t.calls,
    r.report::text as report
from wallet_tasks t
join batches b on b.id = t.batch_id
left join pnl_results r
    on t.state = 'done' and r.batch_id = t.batch_id and r.chain = t.chain and r.wallet = t.wallet
where t.batch_id = $1 and b.tenant = $2 and t.chain = b.chain and t.wallet = 'group:' || $1::uuid
