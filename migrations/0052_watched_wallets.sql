-- Continuous mode: wallets that are analyzed again and again, round by round. A round is an ordinary batch.
create table watched_wallets (
    id bigint generated always as identity primary key,
    tenant text not null,
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    wallet text not null,
    request json not null,
    every_seconds integer not null check (every_seconds > 0),
    added_at timestamptz not null default clock_timestamp(),
    next_at timestamptz not null default clock_timestamp(),
    batch_id uuid,
    failures integer not null default 0 check (failures >= 0),
    parked_at timestamptz,
    changed_in_round boolean not null default false,
    removed_at timestamptz,
    last_done_batch_id uuid,
    last_batch_id uuid,
    last_ended_at timestamptz,
    last_state text check (last_state in ('done', 'failed', 'timed_out', 'cancelled')),
    error json,
    constraint watched_wallets_once_per_tenant unique (tenant, chain, wallet),
    constraint watched_wallets_parked_at_rest check (parked_at is null or batch_id is null)
) with (fillfactor = 80);
comment on table watched_wallets is 'Wallets that their tenants want analyzed again and again.';
comment on column watched_wallets.request is 'How: as batches.request.';
comment on column watched_wallets.every_seconds is 'From the beginning of a round to that of the next.';
comment on column watched_wallets.next_at is 'When the next round may begin; set when one begins, or a client wants one.';
comment on column watched_wallets.batch_id is
    'The round under way. No reference: a round whose batch is gone has ended, and is noticed.';
comment on column watched_wallets.failures is 'Rounds in a row that ended without a result.';
comment on column watched_wallets.parked_at is 'When it was left alone after too many of them, until somebody lets it go on.';
comment on column watched_wallets.changed_in_round is
    'Whether it was asked for anew while the round under way was: how that ends badly says nothing of what is wanted now.';
comment on column watched_wallets.removed_at is
    'When it was taken off the list while a round was under way; the row goes with the end of that.';
comment on column watched_wallets.last_done_batch_id is 'The last round that has ended with a result.';
comment on column watched_wallets.last_batch_id is 'The last round that has ended.';
comment on column watched_wallets.error is 'As wallet_tasks.error, of the last round when it had no result.';

create index watched_wallets_at_rest on watched_wallets (chain, tenant, next_at, id)
    where batch_id is null and parked_at is null;
create index watched_wallets_under_way on watched_wallets (chain, tenant, id) where batch_id is not null;
create index watched_wallets_parked on watched_wallets (tenant, id) where parked_at is not null;
create index watched_wallets_by_last_batch on watched_wallets (last_batch_id) where last_batch_id is not null;
create index watched_wallets_by_last_done_batch on watched_wallets (last_done_batch_id)
    where last_done_batch_id is not null;
create index watched_wallets_ended_well on watched_wallets (chain, last_ended_at) where last_state = 'done';
create index watched_wallets_by_batch on watched_wallets (batch_id) where batch_id is not null;
create index watched_wallets_of_tenant on watched_wallets (tenant, id);

create table continuous_mode (
    id smallint primary key default 1 check (id = 1),
    enabled boolean not null default false,
    processed bigint not null default 0 check (processed >= 0),
    failed bigint not null default 0 check (failed >= 0)
);
comment on table continuous_mode is
    'One row. Whoever begins and ends rounds locks it, so that one process at a time does, and none begins after a stop.';
comment on column continuous_mode.processed is 'Wallets whose rounds have ended with a result, since the first.';
comment on column continuous_mode.failed is 'Wallets whose rounds have ended without one.';
insert into continuous_mode default values;
