-- The answers to replay of all tenants, as 0036.
set local lock_timeout = '10s';

create table idempotent_requests (
    like idempotency_keys including comments including defaults
) partition by list (tenant);
create unique index idempotent_requests_key on idempotent_requests (tenant, key);
comment on table idempotent_requests is
    'Answers to replay, per tenant and Idempotency-Key; written in the transaction of the batch itself.';
comment on column idempotent_requests.tenant is 'Whose request it was.';
alter table idempotent_requests attach partition idempotent_requests_of_tenants default;
alter table idempotent_requests attach partition idempotency_keys for values in ('default');
