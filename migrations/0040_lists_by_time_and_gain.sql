-- The lists of the tenant default, as 0039. An operator may have built them before (docs/runbooks/upgrade.md).
set local lock_timeout = '10s';

create index if not exists wallet_latest_analyzed_at on wallet_latest (tenant, chain, analyzed_at, wallet);
create index if not exists wallet_latest_total_pnl_usd on wallet_latest (tenant, chain, total_pnl_usd, wallet);
create index if not exists wallet_latest_realized_gain_usd
    on wallet_latest (tenant, chain, realized_gain_usd, wallet);
create index if not exists wallet_latest_unrealized_gain_usd
    on wallet_latest (tenant, chain, unrealized_gain_usd, wallet);
