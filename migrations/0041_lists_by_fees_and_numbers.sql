-- The other lists of the tenant default. A file of its own: between the two, results are stored.
set local lock_timeout = '10s';

create index if not exists wallet_latest_fees_usd on wallet_latest (tenant, chain, fees_usd, wallet);
create index if not exists wallet_latest_trades on wallet_latest (tenant, chain, trades, wallet);
create index if not exists wallet_latest_transactions on wallet_latest (tenant, chain, transactions, wallet);
