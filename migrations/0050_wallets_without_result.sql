-- The few wallets of a large job that ended without a result are found without reading the others.
set local lock_timeout = '10s';

create index if not exists wallet_tasks_without_result on wallet_tasks (batch_id, ordinal)
    where state in ('failed', 'timed_out', 'cancelled');
