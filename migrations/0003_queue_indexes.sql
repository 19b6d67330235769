-- What an ending task and the operators look for in the queue.
set local lock_timeout = '10s';

comment on column wallet_tasks.run_at is
    'A delayed task becomes ready then. Infinity: when its batch is admitted.';

-- The predicates of these say by the columns what the state says by name (the table's checks hold the
-- two together), so that no statement that asks for a state, or for the columns of another of them,
-- can be planned with them: with stale statistics the planner takes any index that fits, and reads it
-- whole.

-- What is open of a batch, the last of the submission first: they are claimed last. An ending task
-- looks here whether others come after it.
create index wallet_tasks_unfinished on wallet_tasks (batch_id, ordinal) where finished_at is null;
-- Whether somebody waits for the wallet that has just ended, or will need what is stored of it.
create index wallet_tasks_waiting_wallet on wallet_tasks (chain, wallet)
    where coalesce(lease_until, finished_at) is null;
-- Delayed tasks by their time.
create index wallet_tasks_run_at on wallet_tasks (run_at) where run_at is not null;
-- Running tasks by the end of their leases.
create index wallet_tasks_lease_until on wallet_tasks (lease_until) where lease_until is not null;

-- Leases that were taken away, by time.
create index wallet_attempts_takeovers on wallet_attempts (ended)
    where outcome in ('lease_expired', 'parked');
