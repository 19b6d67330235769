-- ledgers/current: $1 chain, $2 wallet, $3 tenant
select ledger_id, created_at,
    pin_block as "pin_block!", pin_block_time as "pin_block_time!",
    input_hash as "input_hash!", price_set_hash as "price_set_hash!",
    coverage as "coverage!", context as "context!", chunks as "chunks!", events as "events!"
from ledgers
where chain = $1 and wallet = $2 and tenant = $3 and state = 'current'
