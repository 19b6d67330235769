-- job_events/try_locks: $1 jobs. Those whose events this transaction is the one to number.
select w.id as "id!"
from unnest($1::uuid[]) as w (id)
where pg_try_advisory_xact_lock(hashtextextended('events:' || w.id::text, 0))
