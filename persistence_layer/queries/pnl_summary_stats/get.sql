-- pnl_summary_stats/get: $1 tenant, $2 scope, $3 from how many wallets on they answer
select wallets as "total_wallets!",
    profitable as "profitable_wallets!",
    trim_scale(total_pnl_usd)::text as "total_pnl_usd!",
    trim_scale(quotient_of_18_places(total_pnl_usd, wallets))::text as "average_pnl_usd!",
    trades as "total_trades!",
    trim_scale(quotient_of_18_places(profitable * 100, wallets))::text as "profitability_rate!",
    newest_at as "last_updated?",
    greatest(floor(extract(epoch from statement_timestamp() - refreshed_at)), 0)::bigint as "stale_seconds!"
from pnl_summary_stats
where tenant = $1 and scope = $2 and wallets >= greatest($3::bigint, 1)
