-- Figures over all latest results of a tenant, so that a summary need not read them; and the indexes of the lists of
-- tenants other than default. Those of default follow in files of their own.
set local lock_timeout = '10s';

create table pnl_summary_stats (
    tenant text not null,
    scope text not null,
    wallets bigint not null,
    profitable bigint not null,
    total_pnl_usd numeric not null,
    trades bigint not null,
    newest_at timestamptz not null,
    refreshed_at timestamptz not null,
    primary key (tenant, scope)
);
comment on table pnl_summary_stats is
    'Per tenant the figures over its latest_results, renewed as a whole by one process of the fleet at a time.';
comment on column pnl_summary_stats.scope is 'A chain, or all.';
comment on column pnl_summary_stats.profitable is 'Wallets with a total above zero.';
comment on column pnl_summary_stats.total_pnl_usd is 'Sum of the totals: US dollars, exact to 36 places.';
comment on column pnl_summary_stats.newest_at is 'analyzed_at of the newest result that is counted.';
comment on column pnl_summary_stats.refreshed_at is 'Every result stored before is counted.';

-- One per sort: a page is a range of it for each chain, wherever it begins.
create index if not exists latest_results_of_tenants_analyzed_at
    on latest_results_of_tenants (tenant, chain, analyzed_at, wallet);
create index if not exists latest_results_of_tenants_total_pnl_usd
    on latest_results_of_tenants (tenant, chain, total_pnl_usd, wallet);
create index if not exists latest_results_of_tenants_realized_gain_usd
    on latest_results_of_tenants (tenant, chain, realized_gain_usd, wallet);
create index if not exists latest_results_of_tenants_unrealized_gain_usd
    on latest_results_of_tenants (tenant, chain, unrealized_gain_usd, wallet);
create index if not exists latest_results_of_tenants_fees_usd
    on latest_results_of_tenants (tenant, chain, fees_usd, wallet);
create index if not exists latest_results_of_tenants_trades
    on latest_results_of_tenants (tenant, chain, trades, wallet);
create index if not exists latest_results_of_tenants_transactions
    on latest_results_of_tenants (tenant, chain, transactions, wallet);
