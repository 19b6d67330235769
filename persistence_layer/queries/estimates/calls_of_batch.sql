-- estimates/calls_of_batch: $1 batch, $2 tenant. The calls to providers of its wallets by method.
select called.method as "method!", sum(called.calls::bigint)::bigint as "calls!"
from wallet_tasks t
cross join lateral json_each_text(t.calls) as called (method, calls)
where t.batch_id = $1 and exists (select from batches b where b.id = $1 and b.tenant = $2)
group by called.method
order by called.method
