-- Batches that wait for admission.
--
-- Everything is added beside what is there: a program of the first schema works on this one. To it a
-- waiting batch is an active one whose tasks are delayed without end, which it neither claims nor
-- promotes. Each of these files locks the tables of one step of the work, and no two in an order
-- that the work takes them in the other way round, so that it can run beside older processes.
set local lock_timeout = '10s';

alter table admission add column max_concurrent integer check (max_concurrent > 0);
comment on column admission.max_concurrent is
    'The limit of the last submission that could have waited; whoever ends a batch admits waiting '
    'ones up to it. Null while no process ever let a batch wait.';

alter table batches add column waiting_since timestamptz;
comment on column batches.waiting_since is
    'Accepted then, not admitted yet: its tasks are delayed to infinity. Null: admitted. Means '
    'nothing in a batch that is not active.';
create index batches_waiting on batches (waiting_since, id)
    where state = 'active' and waiting_since is not null;

-- For retention: the oldest ended batches, and whether a pin is still anybody's.
create index batches_by_end on batches (finished_at) where finished_at is not null;
create index batches_by_pin on batches (chain, pin_block);
