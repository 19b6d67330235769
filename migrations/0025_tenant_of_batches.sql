-- Whose a batch is. All that is there, and all that an older program submits, is everybody's: tenant default.
-- These files (0025-0038) lock one table of the work each, so that they can run beside older processes. Keys
-- of other tenants are to be created when no older process runs any more: it would not tell them apart.
set local lock_timeout = '10s';

alter table batches add column tenant text not null default 'default';
comment on column batches.tenant is
    'Whose it is, and all that belongs to it: tasks, results, events. See api_keys.tenant.';
