-- pnl_results/get: $1 batch, $2 chain, $3 wallet, $4 tenant
select r.report::text as "report!"
from pnl_results r
where r.batch_id = $1 and r.chain = $2 and r.wallet = $3
  and exists (select from batches b where b.id = r.batch_id and b.tenant = $4)
  and not exists (select from expired_batches e where e.id = r.batch_id)
