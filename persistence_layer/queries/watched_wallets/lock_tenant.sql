-- watched_wallets/lock_tenant: $1 tenant. Its list grows by one request at a time, so that its bound holds.
select pg_advisory_xact_lock(hashtextextended('watched_wallets ' || $1::text, 0))
