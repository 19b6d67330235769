-- Whose a ledger is: the one that is read of a wallet is each tenant's own.
set local lock_timeout = '10s';

alter table ledgers add column tenant text not null default 'default';
comment on column ledgers.tenant is 'Whose batch it was made for; nobody else reads it.';
