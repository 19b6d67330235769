-- The key of latest_results (0036); it is built while the table is read.
set local lock_timeout = '10s';

create unique index wallet_latest_of_tenant on wallet_latest (tenant, chain, wallet);
