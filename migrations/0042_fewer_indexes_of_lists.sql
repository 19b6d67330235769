-- Superseded by 0039 to 0041; every end of a wallet would write them, too. An older program that runs beside sorts its
-- lists until it is gone.
set local lock_timeout = '10s';

drop index if exists wallet_latest_by_time, wallet_latest_by_total;
drop index if exists latest_results_of_tenants_by_time, latest_results_of_tenants_by_total;
