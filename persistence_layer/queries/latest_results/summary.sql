-- latest_results/summary: $1 tenant, $2 chain or null
select wallets as "total_wallets!",
    profitable as "profitable_wallets!",
    trim_scale(pnl)::text as "total_pnl_usd!",
    trim_scale(quotient_of_18_places(pnl, greatest(wallets, 1)))::text as "average_pnl_usd!",
    trades as "total_trades!",
    trim_scale(quotient_of_18_places(profitable * 100, greatest(wallets, 1)))::text as "profitability_rate!",
    last_updated,
    0::bigint as "stale_seconds!"
from (
    select count(*) as wallets,
        count(*) filter (where total_pnl_usd > 0) as profitable,
        coalesce(sum(total_pnl_usd), 0) as pnl,
        coalesce(sum(trades), 0)::bigint as trades,
        max(analyzed_at) as last_updated
    from latest_results
    where tenant = $1 and ($2::text is null or chain = $2)
) as total
