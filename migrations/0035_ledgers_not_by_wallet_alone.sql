-- Superseded by 0031, and in its way: two tenants may have analyzed one wallet.
set local lock_timeout = '10s';

drop index ledgers_one_current;
