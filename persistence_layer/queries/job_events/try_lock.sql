-- job_events/try_lock: $1 job. Whether this transaction is the one that numbers its events.
select pg_try_advisory_xact_lock(hashtextextended('events:' || $1::uuid::text, 0)) as "locked!"
