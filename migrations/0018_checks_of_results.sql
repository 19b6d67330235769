-- As 0016, for what a wallet ends with. In the order in which it is written.
set local lock_timeout = '10s';

alter table wallet_latest
    drop constraint wallet_latest_chain_check,
    drop constraint wallet_latest_pin_block_check,
    drop constraint wallet_latest_trades_check,
    drop constraint wallet_latest_transactions_check;
alter table ledgers
    drop constraint ledgers_chain_check,
    drop constraint ledgers_pin_block_check;
