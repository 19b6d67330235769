-- Lists of a tenant's batches, newest first.
set local lock_timeout = '10s';

create index batches_by_tenant on batches (tenant, id desc);
create index batches_by_tenant_and_state on batches (tenant, state, id desc);
