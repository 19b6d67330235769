-- What retention needs: tombstones, its runs, and when stored data was last used.
set local lock_timeout = '10s';

create table expired_batches (
    id uuid primary key,
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    finished_at timestamptz not null,
    expired_at timestamptz not null default clock_timestamp(),
    removed boolean not null default false
);
comment on table expired_batches is
    'What is left of a batch whose time was over, for a year: that it was there.';
comment on column expired_batches.removed is
    'Whether all its rows are gone. A false one is gone on with by the next step, whoever does it.';
create index expired_batches_unfinished on expired_batches (id) where not removed;
create index expired_batches_by_age on expired_batches (expired_at);

create table care_runs (
    task text primary key,
    finished_at timestamptz not null
);
comment on table care_runs is 'When the fleet last finished a recurring task.';

create index address_scans_by_age on address_scans (updated_at);
create index balance_snapshots_by_age on balance_snapshots (taken_at);

-- Last: it shuts out readers as well, to the end of this file. Its index is built by a later one.
alter table raw_transactions add column used_at timestamptz;
comment on column raw_transactions.used_at is
    'When a wallet last asked for it, to the day; null: not since it was stored.';
