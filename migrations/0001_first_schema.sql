-- The first schema: batches, the job queue, stored chain data, ledgers, results.
--
-- Conventions: money is numeric, base units are text or numeric, never a float. Points in time of
-- our own are timestamptz by the database clock; times of a chain are unix seconds (bigint).
-- Enumerations are text with a check. Everything that grows with the chain carries `chain` in its
-- key and is partitioned by it; there is no default partition, so an unknown chain is refused.

-- ---------------------------------------------------------------------------------- admission
create table admission (
    id smallint primary key default 1 check (id = 1)
);
comment on table admission is
    'One row. Whoever opens a batch locks it first, so that counting the active batches and adding '
    'one cannot interleave, whatever the number of processes.';
insert into admission default values;

-- ------------------------------------------------------------------------------------ batches
create table batches (
    id uuid primary key,
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    request json not null,
    trace_id text not null check (trace_id ~ '^[0-9a-f]{32}$'),
    total integer not null check (total > 0),
    state text not null default 'active'
        check (state in ('active', 'completed', 'completed_with_errors', 'failed', 'cancelled')),
    cancel_requested boolean not null default false,
    pin_block bigint check (pin_block >= 0),
    pin_block_time bigint,
    done integer,
    failed integer,
    timed_out integer,
    cancelled integer,
    created_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    updated_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    constraint batches_pin_is_whole check ((pin_block is null) = (pin_block_time is null)),
    constraint batches_finished_when_terminal
        check ((state = 'active') = (finished_at is null)),
    constraint batches_counted_when_terminal check (
        case when state = 'active'
            then num_nonnulls(done, failed, timed_out, cancelled) = 0
            else num_nonnulls(done, failed, timed_out, cancelled) = 4
                and done + failed + timed_out + cancelled = total
        end)
);
comment on table batches is 'One submitted batch; the "job" of the API.';
comment on column batches.id is 'UUID v7: its order is the order of submission.';
comment on column batches.request is 'Method, options, window (as given and resolved), max_transactions.';
comment on column batches.trace_id is 'W3C trace id of the submitting request, 32 hex digits.';
comment on column batches.total is 'Number of wallets.';
comment on column batches.state is 'active until no task is open; see wallet_tasks.state.';
comment on column batches.pin_block is 'Finalized slot or block read at the first claim; later transactions are ignored.';
comment on column batches.pin_block_time is 'Unix seconds of the pinned block.';
comment on column batches.done is 'Final count of done wallets; null while active (counted from the tasks).';
comment on column batches.started_at is 'First claim of one of its wallets.';

create index batches_active on batches (id) where state = 'active';
create index batches_by_state on batches (state, id desc);

-- --------------------------------------------------------------------------- idempotency keys
create table idempotency_keys (
    key text primary key check (length(key) between 1 and 255),
    fingerprint text not null,
    batch_id uuid not null references batches (id) on delete cascade,
    response json not null,
    created_at timestamptz not null default clock_timestamp()
);
comment on table idempotency_keys is 'Answers to replay; written in the transaction of the batch itself.';
comment on column idempotency_keys.fingerprint is 'Hash of the request that used the key first.';
comment on column idempotency_keys.response is 'The 202 body, as text.';
create index idempotency_keys_by_age on idempotency_keys (created_at);
create index idempotency_keys_by_batch on idempotency_keys (batch_id);

-- ------------------------------------------------------------------------------- wallet tasks
create table wallet_tasks (
    id bigint generated always as identity primary key,
    batch_id uuid not null references batches (id) on delete cascade,
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    wallet text not null,
    ordinal integer not null check (ordinal >= 0),
    prio smallint not null default 0,
    vtime bigint not null,
    state text not null default 'queued' check (
        state in ('queued', 'delayed', 'running', 'done', 'failed', 'timed_out', 'cancelled')),
    attempts integer not null default 0 check (attempts >= 0),
    continuations integer not null default 0 check (continuations >= 0),
    takeovers integer not null default 0 check (takeovers >= 0),
    progress bigint not null default 0,
    progress_at_claim bigint not null default 0,
    run_at timestamptz,
    wait_reason text check (
        wait_reason in ('backoff', 'continued', 'provider_throttled', 'outage', 'released')),
    fence bigint not null default 0,
    lease_until timestamptz,
    worker text,
    error json,
    calls json,
    created_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    constraint wallet_tasks_once_per_batch unique (batch_id, chain, wallet),
    constraint wallet_tasks_ordinal unique (batch_id, ordinal),
    constraint wallet_tasks_leased_when_running check (
        case when state = 'running'
            then num_nonnulls(lease_until, worker) = 2
            else num_nonnulls(lease_until, worker) = 0
        end),
    constraint wallet_tasks_due_when_delayed check ((state = 'delayed') = (run_at is not null)),
    constraint wallet_tasks_finished_when_terminal check (
        (state in ('done', 'failed', 'timed_out', 'cancelled')) = (finished_at is not null)),
    constraint wallet_tasks_waits_for_a_reason
        check (wait_reason is null or state in ('queued', 'delayed'))
) with (
    -- A queue: rows change often, and dead ones at its head are in the way of every claim.
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.05
);
comment on table wallet_tasks is 'One wallet of one batch: the queue. Claimed with FOR UPDATE SKIP LOCKED.';
comment on column wallet_tasks.ordinal is 'Place in the submission, from 0, after removal of duplicates.';
comment on column wallet_tasks.prio is 'Lower runs first.';
comment on column wallet_tasks.vtime is 'Virtual time: head of the ready queue at submit + ordinal. Gives batches equal shares.';
comment on column wallet_tasks.state is 'queued = ready; delayed = waits for run_at; running = leased; the rest are ends.';
comment on column wallet_tasks.attempts is 'Ended attempts that count against worker.max_attempts.';
comment on column wallet_tasks.continuations is 'Attempts that ran out of time after storing something: free.';
comment on column wallet_tasks.takeovers is 'Holders that died since a row was last stored.';
comment on column wallet_tasks.progress is 'Rows stored for this task: raw transactions and signatures, each counted once.';
comment on column wallet_tasks.progress_at_claim is 'progress when the present or last holder claimed it.';
comment on column wallet_tasks.fence is 'Grows by one with each claim. Whoever writes names it; an older one stores nothing.';
comment on column wallet_tasks.lease_until is 'Database time at which the holder counts as dead.';
comment on column wallet_tasks.worker is 'The process that holds the lease; new at each process start.';
comment on column wallet_tasks.error is '{code, title, detail, retryable} of the last attempt that had one.';
comment on column wallet_tasks.calls is 'Calls to providers by method, of the finishing attempt.';

-- The queue proper, and the only index that knows the order of ready rows: a second one could be
-- chosen where it must read them all. Delayed rows stay out, or they would sit at its head.
create index wallet_tasks_ready on wallet_tasks (chain, prio, vtime, id) where state = 'queued';
create index wallet_tasks_due on wallet_tasks (run_at) where state = 'delayed';
create index wallet_tasks_leases on wallet_tasks (lease_until) where state = 'running';
create index wallet_tasks_open on wallet_tasks (batch_id) where state in ('queued', 'delayed', 'running');
-- One fetch per wallet at a time, over all batches and processes.
create unique index wallet_tasks_one_running on wallet_tasks (chain, wallet) where state = 'running';

-- The foremost ready task of each chain, by which new and returning tasks find their place.
create view ready_heads as
select head.prio, head.vtime, head.id
from unnest(array['solana', 'ethereum', 'base', 'binance-smart-chain']) as known (chain)
cross join lateral (
    select t.prio, t.vtime, t.id
    from wallet_tasks t
    where t.state = 'queued' and t.chain = known.chain
    order by t.prio, t.vtime, t.id
    limit 1
) as head;

create table wallet_attempts (
    task bigint not null references wallet_tasks (id) on delete cascade,
    fence bigint not null,
    worker text not null,
    started timestamptz not null default clock_timestamp(),
    ended timestamptz,
    outcome text check (outcome in (
        'done', 'failed', 'timed_out', 'cancelled',
        'backoff', 'continued', 'provider_throttled', 'outage', 'released',
        'lease_expired', 'parked')),
    error_code text,
    primary key (task, fence),
    constraint wallet_attempts_end_has_an_outcome check ((ended is null) = (outcome is null))
);
comment on table wallet_attempts is 'History: every claim of a task and how it ended.';
comment on column wallet_attempts.outcome is
    'An end state of the task, or why it went back to the queue; lease_expired = its holder died.';

-- --------------------------------------------------------------------------------- chain data
create table raw_transactions (
    chain text not null,
    tx_id text not null,
    block bigint not null check (block >= 0),
    block_time bigint,
    size integer not null check (size >= 0),
    payload bytea not null,
    stored_at timestamptz not null default clock_timestamp(),
    primary key (chain, tx_id)
) partition by list (chain);
comment on table raw_transactions is
    'Finalized transactions as the endpoint gave them: immutable, shared by all wallets they touch.';
comment on column raw_transactions.block is 'Slot (Solana) or block number (EVM).';
comment on column raw_transactions.block_time is 'Unix seconds; null when the endpoint did not know it.';
comment on column raw_transactions.size is 'Bytes of the JSON before compression.';
comment on column raw_transactions.payload is 'The JSON, zstd-compressed.';

create table address_scans (
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    address text not null,
    covered_until text,
    covered_slot bigint not null default 0 check (covered_slot >= 0),
    pass integer not null default 0,
    next_pos bigint not null default 0,
    head text,
    before text,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (chain, address),
    constraint address_scans_pass_is_whole check ((head is null) = (before is null))
);
comment on table address_scans is 'How far the signature list of an address is known.';
comment on column address_scans.covered_until is 'Newest signature of the finished coverage: everything up to it is stored.';
comment on column address_scans.covered_slot is 'Everything up to this slot is stored, also when the address was silent.';
comment on column address_scans.pass is 'Number of the last listing begun, from 1.';
comment on column address_scans.next_pos is 'Position of the next signature of that listing.';
comment on column address_scans.head is 'Newest signature of the listing under way; null when none is.';
comment on column address_scans.before is 'Oldest signature of it that is stored: the next page begins behind it.';

create table address_signatures (
    chain text not null,
    address text not null,
    tx_id text not null,
    slot bigint not null check (slot >= 0),
    block_time bigint,
    failed boolean not null,
    pass integer not null,
    pos bigint not null,
    primary key (chain, address, tx_id)
) partition by list (chain);
comment on table address_signatures is 'Signature lists of addresses.';
comment on column address_signatures.pass is 'The listing that brought it; a later listing brings newer signatures.';
comment on column address_signatures.pos is
    'Place within that listing, newest first. Order inside a slot, newest first: pass descending, pos ascending.';

create table balance_snapshots (
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    wallet text not null,
    pin_block bigint not null check (pin_block >= 0),
    node_block bigint not null check (node_block >= 0),
    balances json not null,
    taken_at timestamptz not null default clock_timestamp(),
    primary key (chain, wallet, pin_block)
);
comment on table balance_snapshots is 'What the chain said a wallet holds, per pin.';
comment on column balance_snapshots.node_block is 'The block at which the node answered, at or after the pin.';

-- ------------------------------------------------------------------------------------- prices
create table prices (
    source text not null,
    coin text not null,
    at_hour bigint not null check (at_hour % 3600 = 0),
    price numeric check (price >= 0),
    price_time bigint,
    asked_at timestamptz not null default clock_timestamp(),
    primary key (source, coin, at_hour),
    constraint prices_known_or_not check ((price is null) = (price_time is null))
);
comment on table prices is 'Answers of price sources, also the answer "unknown".';
comment on column prices.coin is 'The coin as the source names it.';
comment on column prices.at_hour is 'Unix seconds of the full hour asked for.';
comment on column prices.price is 'US dollars per whole unit, exact; null = the source did not know.';
comment on column prices.price_time is 'Unix seconds at which the source made the price.';

-- ------------------------------------------------------------------------------------ ledgers
create table ledgers (
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    ledger_id uuid not null,
    wallet text not null,
    task bigint references wallet_tasks (id) on delete set null,
    fence bigint not null,
    state text not null default 'building' check (state in ('building', 'current', 'superseded')),
    pin_block bigint check (pin_block >= 0),
    pin_block_time bigint,
    input_hash text,
    price_set_hash text,
    coverage json,
    context json,
    chunks integer,
    events bigint,
    created_at timestamptz not null default clock_timestamp(),
    superseded_at timestamptz,
    primary key (chain, ledger_id),
    constraint ledgers_head_is_whole check (
        state = 'building' or num_nonnulls(
            pin_block, pin_block_time, input_hash, price_set_hash, coverage, context, chunks, events) = 8),
    constraint ledgers_superseded_at check ((state = 'superseded') = (superseded_at is not null))
);
comment on table ledgers is
    'Heads of priced ledgers. building: chunks are being written. current: the one that is read. '
    'superseded: kept some minutes for readers under way.';
comment on column ledgers.input_hash is 'Hash of what the ledger was made from.';
comment on column ledgers.context is 'What a report needs besides the events.';
comment on column ledgers.chunks is 'Number of chunks, numbered from 0.';
comment on column ledgers.events is 'Events in all chunks.';
create unique index ledgers_one_current on ledgers (chain, wallet) where state = 'current';
create index ledgers_stale on ledgers (state, created_at) where state <> 'current';
create index ledgers_by_task on ledgers (task);

create table ledger_chunks (
    chain text not null,
    ledger_id uuid not null,
    no integer not null check (no >= 0),
    events integer not null check (events >= 0),
    payload bytea not null,
    primary key (chain, ledger_id, no),
    constraint ledger_chunks_have_a_head
        foreign key (chain, ledger_id) references ledgers (chain, ledger_id) on delete cascade
) partition by list (chain);
comment on table ledger_chunks is 'Events of ledgers in order; never changed once written.';
comment on column ledger_chunks.payload is 'JSON lines, one event each, zstd-compressed.';

-- ------------------------------------------------------------------------------------ results
create table pnl_results (
    chain text not null,
    batch_id uuid not null references batches (id) on delete cascade,
    wallet text not null,
    task bigint not null,
    fence bigint not null,
    report json not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (batch_id, chain, wallet)
) partition by list (chain);
comment on table pnl_results is 'The report of a wallet in a batch; written once, by the attempt that finished.';
comment on column pnl_results.report is 'The `result` object of the API, byte for byte.';

create table wallet_latest (
    chain text not null
        check (chain in ('solana', 'ethereum', 'base', 'binance-smart-chain')),
    wallet text not null,
    batch_id uuid not null references batches (id) on delete cascade,
    pin_block bigint not null check (pin_block >= 0),
    total_pnl_usd numeric not null,
    realized_gain_usd numeric not null,
    unrealized_gain_usd numeric not null,
    fees_usd numeric not null,
    trades bigint not null check (trades >= 0),
    transactions bigint not null check (transactions >= 0),
    token_win_rate numeric,
    complete boolean not null,
    analyzed_at timestamptz not null default clock_timestamp(),
    primary key (chain, wallet)
);
comment on table wallet_latest is
    'Per wallet its newest full-history result by the default method, with the figures lists need.';
comment on column wallet_latest.pin_block is 'Pin of that result: an older pin never replaces a newer one.';
comment on column wallet_latest.total_pnl_usd is 'US dollars, exact to 36 places; so are the other *_usd columns.';
comment on column wallet_latest.complete is 'Whether the whole history was seen.';
create index wallet_latest_by_time on wallet_latest (analyzed_at desc, chain, wallet);
create index wallet_latest_by_total on wallet_latest (total_pnl_usd desc, chain, wallet);
create index wallet_latest_by_batch on wallet_latest (batch_id);

-- --------------------------------------------------------------------------------- partitions
create table raw_transactions_solana partition of raw_transactions for values in ('solana');
create table raw_transactions_ethereum partition of raw_transactions for values in ('ethereum');
create table raw_transactions_base partition of raw_transactions for values in ('base');
create table raw_transactions_bsc partition of raw_transactions for values in ('binance-smart-chain');

create table address_signatures_solana partition of address_signatures for values in ('solana');
create table address_signatures_ethereum partition of address_signatures for values in ('ethereum');
create table address_signatures_base partition of address_signatures for values in ('base');
create table address_signatures_bsc partition of address_signatures for values in ('binance-smart-chain');

create table ledger_chunks_solana partition of ledger_chunks for values in ('solana');
create table ledger_chunks_ethereum partition of ledger_chunks for values in ('ethereum');
create table ledger_chunks_base partition of ledger_chunks for values in ('base');
create table ledger_chunks_bsc partition of ledger_chunks for values in ('binance-smart-chain');

create table pnl_results_solana partition of pnl_results for values in ('solana');
create table pnl_results_ethereum partition of pnl_results for values in ('ethereum');
create table pnl_results_base partition of pnl_results for values in ('base');
create table pnl_results_bsc partition of pnl_results for values in ('binance-smart-chain');

-- Already compressed: the server shall not try again.
alter table raw_transactions_solana alter column payload set storage external;
alter table raw_transactions_ethereum alter column payload set storage external;
alter table raw_transactions_base alter column payload set storage external;
alter table raw_transactions_bsc alter column payload set storage external;
alter table ledger_chunks_solana alter column payload set storage external;
alter table ledger_chunks_ethereum alter column payload set storage external;
alter table ledger_chunks_base alter column payload set storage external;
alter table ledger_chunks_bsc alter column payload set storage external;
