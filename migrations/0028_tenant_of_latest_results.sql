-- Whose the latest results are: this table keeps those of the tenant default (0036).
set local lock_timeout = '10s';

alter table wallet_latest add column tenant text not null default 'default';
comment on column wallet_latest.tenant is 'Always default: latest_results has all tenants.';
