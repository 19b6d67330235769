-- pnl_summary_stats/try_lock: false: another process refreshes
select pg_try_advisory_xact_lock(hashtextextended('pnl_summary_stats', 0)) as "alone!"
