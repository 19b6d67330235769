-- ledgers/of_batch: $1 batch, $2 chain, $3 tenant, $4 how old a superseded one may be
-- A hash of the ids of the ledgers that ledgers/of_result chooses from for the batch's wallets, in the order of the
-- submission: the current one of a wallet, and the one that its task made.
select sha256(coalesce(string_agg(
        uuid_send(coalesce(l.ledger_id, '00000000-0000-0000-0000-000000000000'))
            || uuid_send(coalesce(own.ledger_id, '00000000-0000-0000-0000-000000000000')),
        '' order by t.ordinal
    ), '')) as "hash!"
from wallet_tasks t
left join ledgers l
    on l.chain = $2 and l.wallet = t.wallet and l.tenant = $3 and l.state = 'current'
left join lateral (
    select o.ledger_id
    from ledgers o
    where o.task = t.id and o.chain = $2 and o.wallet = t.wallet and o.tenant = $3
      and o.state = 'superseded' and o.superseded_at > now() - $4::interval
    order by o.superseded_at desc, o.ledger_id
    limit 1
) as own on true
where t.batch_id = $1
