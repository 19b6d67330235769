-- watched_wallets/insert_tasks: their wallets. Arrays: $1 batches, $2 chains, $3 wallets, $4 places in their batches.
-- To the queue all rounds of a chain together are one batch: these follow the ones of rounds that still wait. One that
-- goes on after the end of its time stands behind by what it has used, which is no place of others.
insert into wallet_tasks (batch_id, chain, wallet, ordinal, vtime)
select g.batch_id, g.chain, g.wallet, g.ordinal,
    greatest(front.vtime, others.behind) + row_number() over (partition by g.chain order by g.place) - 1
from unnest($1::uuid[], $2::text[], $3::text[], $4::integer[]) with ordinality
    as g (batch_id, chain, wallet, ordinal, place)
cross join queue_front as front
left join (
    select t.chain, max(t.vtime) + 1 as behind
    from watched_wallets w
    join wallet_tasks t on t.batch_id = w.batch_id and t.chain = w.chain and t.wallet = w.wallet
    where w.batch_id is not null and t.state = 'queued' and t.continuations = 0
    group by t.chain
) as others on others.chain = g.chain
