-- estimates/missing: $1 chain, $2 wallets, $3 tenant. Transactions that are not stored (any more), on the lists of those
-- that the tenant has a full-history result of: what is fetched for others now is not told.
select count(*) as "missing!"
from unnest($2::text[]) as asked (wallet)
join address_signatures s on s.chain = $1 and s.address = asked.wallet
where exists (
        select from latest_results l where l.tenant = $3 and l.chain = $1 and l.wallet = asked.wallet)
    and not exists (select from raw_transactions r where r.chain = $1 and r.tx_id = s.tx_id)
