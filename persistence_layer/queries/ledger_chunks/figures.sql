-- ledger_chunks/figures: $1 chain, $2 ledger, $3 number of the first, $4 number behind the last,
-- $5 tenant, $6 not of a ledger that is being built
-- The text of a chunk only where it has no figures.
select events, figures, case when figures is null then payload end as payload
from ledger_chunks
where chain = $1 and ledger_id = $2 and no >= $3 and no < $4
  and exists (
      select from ledgers l
      where l.chain = $1 and l.ledger_id = $2 and l.tenant = $5
        and not ($6 and l.state = 'building'))
order by no
