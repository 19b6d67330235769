-- ledgers/current_id: $1 chain, $2 wallet
select ledger_id
from ledgers
where chain = $1 and wallet = $2 and state = 'current'
