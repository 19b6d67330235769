-- estimates/typical: $1 chain, $2 how many, $3 tenant. The median of the calls of the newest analyses; null without any.
select percentile_disc(0.5) within group (order by made.calls) as "calls"
from (
    select sum(called.calls::bigint)::bigint as calls
    from (
        select l.batch_id, l.wallet from latest_results l
        where l.tenant = $3 and l.chain = $1
        order by l.analyzed_at desc
        limit $2
    ) as newest
    join wallet_tasks t
        on t.batch_id = newest.batch_id and t.chain = $1 and t.wallet = newest.wallet
    cross join lateral json_each_text(t.calls) as called (method, calls)
    group by t.id
) as made
