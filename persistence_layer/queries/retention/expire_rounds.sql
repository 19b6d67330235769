-- retention/expire_rounds: $1 how long an ended round is kept, $2 limit. Of those that newer ones have replaced: no
-- wallet's latest figures are from it, and for no watched wallet it is the last one, or the last with a result.
insert into expired_batches (id, chain, finished_at, tenant)
select b.id, b.chain, b.finished_at, b.tenant
from batches b
where b.is_round
  and b.finished_at < now() - $1::interval
  and not exists (select from expired_batches e where e.id = b.id)
  and not exists (select from latest_results l where l.batch_id = b.id)
  and not exists (select from watched_wallets w where w.last_batch_id = b.id)
  and not exists (select from watched_wallets w where w.last_done_batch_id = b.id)
order by b.finished_at
limit $2
for no key update of b skip locked
on conflict (id) do nothing
