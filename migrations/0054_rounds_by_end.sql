-- Retention looks for rounds that have ended.
set local lock_timeout = '10s';

create index batches_rounds_by_end on batches (finished_at) where is_round and finished_at is not null;
