-- wallet_tasks/gate_shared: $1 batch. Waits for whoever has the gate of the batch alone.
select pg_advisory_xact_lock_shared(hashtextextended('batch:' || $1::uuid::text, 0))
