-- maintenance/try_lock: $1 table. One process at a time renews the statistics of a table.
select pg_try_advisory_xact_lock(hashtextextended('analyze:' || $1, 0)) as "alone!"
