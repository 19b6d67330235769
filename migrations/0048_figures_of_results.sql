-- What the results of a job are sorted and filtered by, beside the text of the report: reading that of every wallet is
-- far more work than a page.
set local lock_timeout = '10s';

alter table pnl_results
    add column total_pnl_usd numeric,
    add column realized_gain_usd numeric,
    add column unrealized_gain_usd numeric,
    add column fees_usd numeric,
    add column trades bigint,
    add column transactions bigint;
comment on column pnl_results.total_pnl_usd is
    'As in the report, as are the five columns after it; null in results of programs that did not write them.';
