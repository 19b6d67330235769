-- ledger_chunks/get: $1 chain, $2 ledger, $3 number, $4 tenant
select payload from ledger_chunks where chain = $1 and ledger_id = $2 and no = $3
  and exists (
      select from ledgers l
      where l.chain = $1 and l.ledger_id = $2 and l.tenant = $4)
