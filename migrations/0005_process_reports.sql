-- What running processes say of themselves.

create table processes (
    id text primary key,
    role text not null check (role in ('all', 'api', 'worker')),
    host text not null,
    pid integer not null,
    version text not null,
    started_at timestamptz not null,
    seen_at timestamptz not null default clock_timestamp(),
    slots integer not null check (slots >= 0),
    slots_in_use integer not null check (slots_in_use >= 0),
    wallets json not null,
    providers json not null,
    gates json not null,
    redis text not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);
comment on table processes is
    'What each running process last said of itself, every few seconds. For people; nothing is '
    'decided by it, except that retention leaves alone what a silent worker may be reading.';
comment on column processes.id is 'The worker id of the process; new at each start.';
comment on column processes.seen_at is 'Database time of the last report: an old one counts as gone.';
comment on column processes.wallets is '[{task, wallet, chain, stage, since}] it is working on.';
comment on column processes.providers is 'State of the chain endpoints, by chain.';
comment on column processes.gates is 'Chains it has paused, and why.';
comment on column processes.redis is 'absent, up or down.';
