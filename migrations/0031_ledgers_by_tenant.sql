-- One current ledger of a wallet for each tenant. A file of its own, so that ledgers are read while it is built.
set local lock_timeout = '10s';

create unique index ledgers_one_current_of_tenant on ledgers (chain, wallet, tenant) where state = 'current';
