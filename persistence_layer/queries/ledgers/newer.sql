-- ledgers/newer: $1 chain, $2 wallet, $3 pin. Whether the current ledger was made at a later block.
select exists (
    select from ledgers
    where chain = $1 and wallet = $2 and state = 'current' and pin_block > $3) as "newer!"
