-- watched_wallets/list: $1 tenant, $2 chain or null, $3 wallet or null, $4 state or null, $5 id to begin behind,
-- $6 limit
select w.id, w.chain, w.wallet, w.request, w.every_seconds, w.added_at, w.next_at, w.batch_id, w.failures, w.parked_at,
    w.last_done_batch_id, w.last_batch_id, w.last_ended_at, w.last_state, w.error
from watched_wallets w
where w.tenant = $1
  and w.removed_at is null
  and ($2::text is null or w.chain = $2)
  and ($3::text is null or w.wallet = $3)
  and ($4::text is null or $4 = case
      when w.parked_at is not null then 'parked'
      when w.batch_id is not null then 'running'
      else 'waiting' end)
  and w.id > $5
order by w.id
limit $6
