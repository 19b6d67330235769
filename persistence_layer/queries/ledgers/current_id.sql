-- ledgers/current_id: $1 chain, $2 wallet, $3 tenant
select ledger_id
from ledgers
where chain = $1 and wallet = $2 and tenant = $3 and state = 'current'
