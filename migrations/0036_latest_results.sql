-- The latest results of all tenants. Those of the tenant default stay in a table of their own under the old name and
-- the old key, which is what an older program reads and writes: both see the same rows.
set local lock_timeout = '10s';

create table latest_results (
    like wallet_latest including comments including defaults
) partition by list (tenant);
create unique index latest_results_key on latest_results (tenant, chain, wallet);
comment on table latest_results is
    'Per tenant and wallet its newest full-history result by the default method, with the figures lists need.';
comment on column latest_results.tenant is 'Whose result it is.';
alter table latest_results attach partition latest_results_of_tenants default;
alter table latest_results attach partition wallet_latest for values in ('default');
