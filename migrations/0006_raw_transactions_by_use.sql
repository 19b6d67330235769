-- Raw transactions by their last use, for retention. A file of its own, so that the table is read while
-- the index is built; whoever stores transactions waits for it.
set local lock_timeout = '10s';

create index raw_transactions_by_use on raw_transactions (chain, (coalesce(used_at, stored_at)));
