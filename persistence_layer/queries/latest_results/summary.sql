-- latest_results/summary: $1 tenant, $2 chain or null, $3 from how many wallets on the statistics answer
-- Quotients at 18 places, half to even: q is the quotient rounded down in units of the 18th place,
-- r what it leaves; all of it exact, since numeric knows no float.
with kept as materialized (
    select wallets, profitable, total_pnl_usd as pnl, trades, newest_at as last_updated,
        greatest(extract(epoch from statement_timestamp() - refreshed_at), 0) as age
    from pnl_summary_stats
    where tenant = $1 and scope = coalesce($2::text, 'all') and wallets >= $3
),
-- The condition twice: in "where" it spares reading the rows, in "having" the row of an empty sum.
total as (
    select * from kept
    union all
    select count(*),
        count(*) filter (where total_pnl_usd > 0),
        coalesce(sum(total_pnl_usd), 0),
        coalesce(sum(trades), 0)::bigint,
        max(analyzed_at),
        0
    from latest_results
    where tenant = $1 and ($2::text is null or chain = $2) and not exists (select from kept)
    having not exists (select from kept)
),
quotients as (
    select total.*,
        greatest(wallets, 1)::numeric as n,
        abs(pnl) * 1000000000000000000 as average_units,
        profitable::numeric * 100 * 1000000000000000000 as rate_units
    from total
),
divided as (
    select quotients.*,
        div(average_units, n) as average_q,
        average_units - div(average_units, n) * n as average_r,
        div(rate_units, n) as rate_q,
        rate_units - div(rate_units, n) * n as rate_r
    from quotients
)
select wallets as "total_wallets!",
    profitable as "profitable_wallets!",
    trim_scale(pnl)::text as "total_pnl_usd!",
    trim_scale(sign(pnl) * 0.000000000000000001 * (average_q + case
        when 2 * average_r > n or (2 * average_r = n and average_q % 2 = 1) then 1
        else 0 end))::text as "average_pnl_usd!",
    trades as "total_trades!",
    trim_scale(0.000000000000000001 * (rate_q + case
        when 2 * rate_r > n or (2 * rate_r = n and rate_q % 2 = 1) then 1
        else 0 end))::text as "profitability_rate!",
    last_updated,
    floor(age)::bigint as "stale_seconds!"
from divided
