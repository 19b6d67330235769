-- pnl_results/any_without_figures: $1 batch, $2 chain. Whether a program stored results that did not write them.
select exists (
    select from pnl_results
    where batch_id = $1 and chain = $2 and total_pnl_usd is null) as "any!"
