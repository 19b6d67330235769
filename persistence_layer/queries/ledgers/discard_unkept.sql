-- ledgers/discard_unkept: $1 chain, $2 task. What no later attempt can go on with.
delete from ledgers l
where l.chain = $1 and l.task = $2 and l.state = 'building'
  and not exists (
      select from ledger_checkpoints c
      where c.task = $2 and c.chain = l.chain and c.ledger_id = l.ledger_id)
