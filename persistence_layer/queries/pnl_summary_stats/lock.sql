-- pnl_summary_stats/lock: waits while another process refreshes
select from pg_advisory_xact_lock(hashtextextended('pnl_summary_stats', 0))
