-- ledger_chunks/remove_behind: $1 chain, $2 ledger, $3 number of the first
delete from ledger_chunks where chain = $1 and ledger_id = $2 and no >= $3
