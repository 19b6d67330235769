-- ledgers/of_batch: $1 batch, $2 chain, $3 tenant
-- A hash of the ids of the current ledgers of a batch's wallets, in the order of the submission.
select sha256(coalesce(string_agg(
        uuid_send(coalesce(l.ledger_id, '00000000-0000-0000-0000-000000000000')), '' order by t.ordinal
    ), '')) as "hash!"
from wallet_tasks t
left join ledgers l
    on l.chain = $2 and l.wallet = t.wallet and l.tenant = $3 and l.state = 'current'
where t.batch_id = $1
