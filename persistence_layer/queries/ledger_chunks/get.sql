-- ledger_chunks/get: $1 chain, $2 ledger, $3 number, $4 tenant, $5 not of a ledger that is being built
select payload from ledger_chunks where chain = $1 and ledger_id = $2 and no = $3
  and exists (
      select from ledgers l
      where l.chain = $1 and l.ledger_id = $2 and l.tenant = $4
        and not ($5 and l.state = 'building'))
