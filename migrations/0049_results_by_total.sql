-- A page of a job's results by their total is a range of an index. By another figure the results of the job are read and
-- sorted: an index for each would cost every wallet more than those pages are worth. Results without figures (0048) are in
-- this one, where it is looked up whether a job has any.
set local lock_timeout = '10s';

create index if not exists pnl_results_total_pnl_usd on pnl_results (batch_id, total_pnl_usd, task);
