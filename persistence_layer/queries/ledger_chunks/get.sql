-- ledger_chunks/get: $1 chain, $2 ledger, $3 number
select payload from ledger_chunks where chain = $1 and ledger_id = $2 and no = $3
