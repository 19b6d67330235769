-- A page of a job's results by a figure is a range of an index. Results without figures (0048) are in the first one
-- alone, where it is looked up whether a job has any.
set local lock_timeout = '10s';

create index pnl_results_total_pnl_usd on pnl_results (batch_id, total_pnl_usd, task);
create index pnl_results_realized_gain_usd on pnl_results (batch_id, realized_gain_usd, task)
    where realized_gain_usd is not null;
create index pnl_results_unrealized_gain_usd on pnl_results (batch_id, unrealized_gain_usd, task)
    where unrealized_gain_usd is not null;
create index pnl_results_fees_usd on pnl_results (batch_id, fees_usd, task) where fees_usd is not null;
create index pnl_results_trades on pnl_results (batch_id, trades, task) where trades is not null;
create index pnl_results_transactions on pnl_results (batch_id, transactions, task) where transactions is not null;
