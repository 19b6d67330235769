-- retention/try_lock: false: another process is in a step
select pg_try_advisory_xact_lock(hashtextextended('retention', 0)) as "alone!"
