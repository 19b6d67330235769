-- pnl_results/page: $1 batch, $2 ordinal to begin behind, $3 limit, $4 most bytes of reports before the last
-- row, $5 tenant. Wallets alone: the group of a batch, if it is one, has its own result.
select p.ordinal as "ordinal!", p.wallet as "wallet!", p.state as "state!", p.error, p.fence as "fence!",
    p.started_at, p.finished_at, p.calls, p.report
from (
    select t.ordinal, t.wallet, t.state, t.error, t.fence, t.started_at, t.finished_at, t.calls,
        r.report::text as report,
        sum(octet_length(r.report::text)) over (
            order by t.ordinal rows between unbounded preceding and 1 preceding
        ) as bytes_before
    from (
        select t.batch_id, t.chain, t.ordinal, t.wallet, t.state, t.error, t.fence, t.started_at,
            t.finished_at, t.calls
        from wallet_tasks t
        where t.batch_id = $1 and t.ordinal > $2 and t.wallet <> 'group:' || $1::uuid
            and exists (select from batches b where b.id = t.batch_id and b.tenant = $5)
        order by t.ordinal
        limit $3
    ) t
    left join pnl_results r
        on t.state = 'done' and r.batch_id = t.batch_id and r.chain = t.chain and r.wallet = t.wallet
) p
where coalesce(p.bytes_before, 0) <= $4
order by p.ordinal
