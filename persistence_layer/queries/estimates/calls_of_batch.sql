-- estimates/calls_of_batch: $1 batch. The calls to providers of its wallets by method.
select called.method as "method!", sum(called.calls::bigint)::bigint as "calls!"
from wallet_tasks t
cross join lateral json_each_text(t.calls) as called (method, calls)
where t.batch_id = $1
group by called.method
order by called.method
