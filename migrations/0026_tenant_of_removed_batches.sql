-- Whose a removed batch was: nobody else is told that it was there.
set local lock_timeout = '10s';

alter table expired_batches add column tenant text not null default 'default';
comment on column expired_batches.tenant is 'Whose it was.';
