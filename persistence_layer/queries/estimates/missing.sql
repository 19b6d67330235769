-- estimates/missing: $1 chain, $2 wallets. Transactions on their lists that are not stored (any more).
select count(*) as "missing!"
from unnest($2::text[]) as asked (wallet)
join address_signatures s on s.chain = $1 and s.address = asked.wallet
where not exists (select from raw_transactions r where r.chain = $1 and r.tx_id = s.tx_id)
