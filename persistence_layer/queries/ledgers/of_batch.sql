-- ledgers/of_batch: $1 batch, $2 chain, $3 tenant, $4 how old a superseded one may be
-- A hash of the ids of the ledgers that ledgers/of_result finds for the batch's wallets, in the order of the submission: the
-- one that a wallet's task made, whether a newer analysis has replaced it or not. Only where that is not kept the current
-- one may have the same contents.
select sha256(coalesce(string_agg(
        uuid_send(coalesce(own.ledger_id, current.ledger_id, '00000000-0000-0000-0000-000000000000')),
        '' order by t.ordinal
    ), '')) as "hash!"
from wallet_tasks t
left join lateral (
    select o.ledger_id
    from ledgers o
    where o.task = t.id and o.chain = $2 and o.wallet = t.wallet and o.tenant = $3
      and (o.state = 'current' or o.state = 'superseded' and o.superseded_at > now() - $4::interval)
    order by o.superseded_at desc nulls first, o.ledger_id
    limit 1
) as own on true
left join ledgers current
    on own.ledger_id is null
    and current.chain = $2 and current.wallet = t.wallet and current.tenant = $3 and current.state = 'current'
where t.batch_id = $1
