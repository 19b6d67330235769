-- Whose the answers to replay are: this table keeps those of the tenant default (0037).
set local lock_timeout = '10s';

alter table idempotency_keys add column tenant text not null default 'default';
comment on column idempotency_keys.tenant is 'Always default: idempotent_requests has all tenants.';
