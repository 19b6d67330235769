-- What chains of the EVM need beside Solana: the hashes of final blocks, and what contracts say about
-- their tokens. Additive: older programs do not look at either.

create table final_blocks (
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    block bigint not null check (block >= 0),
    hash text not null,
    seen_at timestamptz not null default clock_timestamp(),
    primary key (chain, block)
);
comment on table final_blocks is
    'Blocks to which batches were pinned. A hash stands for all blocks before it, so a changed one tells '
    'that the chain changed behind a pin.';
comment on column final_blocks.hash is '0x and 64 lower-case digits.';

create table token_facts (
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    contract text not null,
    decimals smallint check (decimals between 0 and 255),
    symbol text,
    asked_at timestamptz not null default clock_timestamp(),
    primary key (chain, contract)
);
comment on table token_facts is 'What contracts say about their tokens, asked once. Null: nothing, or something absurd.';
comment on column token_facts.symbol is 'Anybody can choose any: never an identity.';
