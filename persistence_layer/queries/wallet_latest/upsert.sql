-- wallet_latest/upsert: $1 chain, $2 wallet, $3 batch, $4 pin block, $5-$8 total, realized,
-- unrealized, fees (text), $9 trades, $10 transactions, $11 win rate (text or null), $12 complete
-- An older pin never replaces a newer one.
insert into wallet_latest (
    chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd, unrealized_gain_usd,
    fees_usd, trades, transactions, token_win_rate, complete)
values (
    $1, $2, $3, $4, $5::text::numeric, $6::text::numeric, $7::text::numeric,
    $8::text::numeric, $9, $10, $11::text::numeric, $12)
on conflict (chain, wallet) do update
set batch_id = excluded.batch_id,
    pin_block = excluded.pin_block,
    total_pnl_usd = excluded.total_pnl_usd,
    realized_gain_usd = excluded.realized_gain_usd,
    unrealized_gain_usd = excluded.unrealized_gain_usd,
    fees_usd = excluded.fees_usd,
    trades = excluded.trades,
    transactions = excluded.transactions,
    token_win_rate = excluded.token_win_rate,
    complete = excluded.complete,
    analyzed_at = clock_timestamp()
where wallet_latest.pin_block <= excluded.pin_block
