-- How long a wallet has been put off at no cost, so that this ends at some time, in whatever processes.
set local lock_timeout = '10s';

alter table wallet_tasks
    add column put_off_since timestamptz,
    add column put_off_progress bigint;
comment on column wallet_tasks.put_off_since is
    'When it first came back at no cost because a provider, a price source or the database put it off. Counts '
    'while progress is put_off_progress and the wallet was not begun anew (started_at) since.';
comment on column wallet_tasks.put_off_progress is 'progress at put_off_since.';
