-- pnl_summary_stats/refresh: of all tenants, and of each of their chains
insert into pnl_summary_stats (
    tenant, scope, wallets, profitable, total_pnl_usd, trades, newest_at, refreshed_at)
select tenant, coalesce(chain, 'all'), count(*), count(*) filter (where total_pnl_usd > 0),
    sum(total_pnl_usd), sum(trades)::bigint, max(analyzed_at), now()
from latest_results
group by grouping sets ((tenant), (tenant, chain))
on conflict (tenant, scope) do update
set wallets = excluded.wallets,
    profitable = excluded.profitable,
    total_pnl_usd = excluded.total_pnl_usd,
    trades = excluded.trades,
    newest_at = excluded.newest_at,
    refreshed_at = excluded.refreshed_at
