-- idempotency_keys/try_lock: $1 key. False: a submission with this key is under way.
select pg_try_advisory_xact_lock(hashtextextended('idempotency:' || $1::text, 0)) as "alone!"
