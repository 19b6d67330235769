-- groups/forget_kept: $1 chain, $2 name under which a group finds the ledger of a wallet, $3 tenant. What
-- an attempt at it has left that died before its end.
delete from ledgers where chain = $1 and wallet = $2 and tenant = $3 and state = 'current'
