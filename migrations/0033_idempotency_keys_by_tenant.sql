-- The key of idempotent_requests (0037); it is built while the table is read.
set local lock_timeout = '10s';

create unique index idempotency_keys_of_tenant on idempotency_keys (tenant, key);
