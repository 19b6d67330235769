-- wallet_tasks/gate_alone: $1 batch. Waits for all who are inside.
select pg_advisory_xact_lock(hashtextextended('batch:' || $1::uuid::text, 0))
