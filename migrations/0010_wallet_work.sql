-- What an attempt at a long wallet leaves for the next one, so that no attempt computes what an
-- earlier one has computed already. Only long wallets have any; it is removed some time after the
-- task's end. All of it can be made again from the stored chain data: a program that does not know
-- these tables may ignore them.
set local lock_timeout = '10s';

create table wallet_work (
    task bigint primary key references wallet_tasks (id) on delete cascade,
    created_at timestamptz not null default clock_timestamp()
);
comment on table wallet_work is 'Tasks that have left work for a later attempt.';

create table wallet_looks (
    task bigint not null references wallet_work (task) on delete cascade,
    no integer not null check (no >= 0),
    made_by text not null,
    payload bytea not null,
    primary key (task, no)
);
comment on table wallet_looks is
    'What looks into the raw transactions of a wallet have told: their place, the token accounts '
    'and mints that they name. Pages in the order of writing.';
comment on column wallet_looks.made_by is 'Version of the parser; another one looks again.';
comment on column wallet_looks.payload is 'JSON lines, one transaction each, zstd-compressed.';

create table wallet_plans (
    task bigint primary key references wallet_work (task) on delete cascade,
    pin_block bigint not null check (pin_block >= 0),
    pages integer not null check (pages >= 0),
    head json not null,
    made_by text not null
);
comment on table wallet_plans is 'The transactions of a wallet in order, when all are stored.';
comment on column wallet_plans.head is 'What is known about the whole: how many, why cut.';

create table wallet_plan_pages (
    task bigint not null references wallet_work (task) on delete cascade,
    no integer not null check (no >= 0),
    payload bytea not null,
    primary key (task, no)
);
comment on column wallet_plan_pages.payload is 'JSON lines, one transaction each, oldest first, zstd-compressed.';

create table ledger_checkpoints (
    task bigint primary key references wallet_work (task) on delete cascade,
    chain text not null,
    ledger_id uuid not null,
    chunks integer not null check (chunks >= 0),
    events bigint not null check (events >= 0),
    made_by text not null,
    state bytea not null
);
comment on table ledger_checkpoints is 'Where the building of a ledger stands: the next attempt goes on behind it.';
comment on column ledger_checkpoints.chunks is 'Chunks that count; later ones are written anew.';
comment on column ledger_checkpoints.state is 'What the ledger carries to the next transaction: JSON, zstd-compressed.';

-- Already compressed.
alter table wallet_looks alter column payload set storage external;
alter table wallet_plan_pages alter column payload set storage external;
alter table ledger_checkpoints alter column state set storage external;
