-- wallet_tasks/insert: $1 batch, $2 chain, $3 wallets in order, $4 the batch waits for admission
-- The virtual time begins at the head of the ready queue, so the new batch takes turns with those
-- that are waiting. With nothing ready it begins where the last claims were, ahead of nobody.
insert into wallet_tasks (batch_id, chain, wallet, ordinal, vtime, state, run_at)
select $1, $2, given.wallet, given.place - 1, base.vtime + given.place - 1,
    case when $4::boolean then 'delayed' else 'queued' end,
    case when $4::boolean then timestamptz 'infinity' end
from unnest($3::text[]) with ordinality as given (wallet, place)
cross join (
    select coalesce(
        (select vtime from ready_heads order by prio, vtime, id limit 1),
        (select max(vtime) from wallet_tasks where state = 'running'),
        (select min(vtime) from wallet_tasks where state = 'delayed' and run_at < 'infinity'),
        0) as vtime
) as base
