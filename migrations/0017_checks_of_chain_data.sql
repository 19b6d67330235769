-- As 0016, for what is stored of a wallet's chain data. In the order in which it is written.
set local lock_timeout = '10s';

alter table address_scans
    drop constraint address_scans_chain_check,
    drop constraint address_scans_covered_slot_check;
alter table balance_snapshots
    drop constraint balance_snapshots_chain_check,
    drop constraint balance_snapshots_pin_block_check,
    drop constraint balance_snapshots_node_block_check;
