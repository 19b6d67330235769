-- wallet_work/resume_ledger: $1 task, $2 fence, $3 made by. The ledger under way, now this lease's.
-- No row: there is none, or not all of its chunks.
update ledgers l
set fence = $2
from ledger_checkpoints c
where c.task = $1
  and c.made_by = $3
  and l.chain = c.chain
  and l.ledger_id = c.ledger_id
  and l.state = 'building'
  and (c.chunks, c.events) = (
      select count(*)::integer, coalesce(sum(k.events), 0)::bigint
      from ledger_chunks k
      where k.chain = c.chain and k.ledger_id = c.ledger_id and k.no < c.chunks)
returning c.ledger_id, c.chunks, c.events, c.state
