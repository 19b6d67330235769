-- groups/forget: $1 batch, whose row is locked and which is retried. Its group, if it has one, is to be
-- made again when the wallets have ended; the fence stays: it only ever grows.
with forgotten as (
    delete from pnl_results where batch_id = $1 and wallet = 'group:' || $1::uuid
)
update wallet_tasks t
set state = 'delayed', run_at = 'infinity', wait_reason = null, attempts = 0, continuations = 0,
    takeovers = 0, error = null, calls = null, started_at = null, finished_at = null
from batches b
where b.id = $1 and t.batch_id = b.id and t.chain = b.chain and t.wallet = 'group:' || b.id
