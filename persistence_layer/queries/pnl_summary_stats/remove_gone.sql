-- pnl_summary_stats/remove_gone: those that the refresh in this transaction has not found any more
delete from pnl_summary_stats where refreshed_at <> now()
