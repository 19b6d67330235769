-- wallet_tasks/insert: $1 batch, $2 chain, $3 wallets in order, $4 the batch waits for admission
insert into wallet_tasks (batch_id, chain, wallet, ordinal, vtime, state, run_at)
select $1, $2, given.wallet, given.place - 1, front.vtime + given.place - 1,
    case when $4::boolean then 'delayed' else 'queued' end,
    case when $4::boolean then timestamptz 'infinity' end
from unnest($3::text[]) with ordinality as given (wallet, place)
cross join queue_front as front
