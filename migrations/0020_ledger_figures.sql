-- What sums are computed from, beside the text of the ledger: reading it is most of the work of a question about a
-- whole history.
set local lock_timeout = '10s';

alter table ledger_chunks add column figures bytea;
comment on column ledger_chunks.figures is
    'The events of the chunk as bytes without their ids (pnl_core::figures), zstd-compressed; null in chunks of '
    'programs that did not write it.';
alter table ledger_chunks_solana alter column figures set storage external;
alter table ledger_chunks_ethereum alter column figures set storage external;
alter table ledger_chunks_base alter column figures set storage external;
alter table ledger_chunks_bsc alter column figures set storage external;
