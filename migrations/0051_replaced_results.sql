-- What a wallet's newest result was before it was analyzed again, for whoever is reading the list of them meanwhile. The
-- database keeps it itself: whatever process of whatever version replaces a result.
set local lock_timeout = '10s';

create table replaced_results (
    like latest_results including comments including defaults,
    replaced_at timestamptz not null
);
comment on table replaced_results is 'Rows of latest_results that were replaced within the last hours; of jobs that may be gone.';
comment on column replaced_results.replaced_at is 'analyzed_at of the row that took its place.';
create index replaced_results_of_list on replaced_results (tenant, chain, replaced_at);
create index replaced_results_by_age on replaced_results (replaced_at);
create index replaced_results_by_batch on replaced_results (batch_id);

create function keep_replaced_result() returns trigger
language plpgsql
as $$
begin
    insert into replaced_results (
        tenant, chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd, unrealized_gain_usd, fees_usd,
        trades, transactions, token_win_rate, complete, analyzed_at, replaced_at)
    values (
        old.tenant, old.chain, old.wallet, old.batch_id, old.pin_block, old.total_pnl_usd, old.realized_gain_usd,
        old.unrealized_gain_usd, old.fees_usd, old.trades, old.transactions, old.token_win_rate, old.complete,
        old.analyzed_at, new.analyzed_at);
    return null;
end;
$$;

create trigger latest_results_replaced
after update on latest_results
for each row
when (new.analyzed_at > old.analyzed_at)
execute function keep_replaced_result();
