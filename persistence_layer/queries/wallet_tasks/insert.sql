-- wallet_tasks/insert: $1 batch, $2 chain, $3 wallets in order, $4 the batch waits for admission.
-- That of a group waits for the wallets, see groups/wake.
insert into wallet_tasks (batch_id, chain, wallet, ordinal, vtime, state, run_at)
select $1, $2, given.wallet, given.place - 1, front.vtime + given.place - 1,
    case when waits.long then 'delayed' else 'queued' end,
    case when waits.long then timestamptz 'infinity' end
from unnest($3::text[]) with ordinality as given (wallet, place)
cross join queue_front as front
cross join lateral (select $4::boolean or given.wallet = 'group:' || $1::uuid as long) as waits
