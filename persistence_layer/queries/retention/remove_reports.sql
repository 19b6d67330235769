-- retention/remove_reports: reports of processes that ended without a word
delete from processes where seen_at < clock_timestamp() - interval '1 day'
