-- groups/drop: $1 batch, all of whose wallets are done, $2 tenant. Their copies for the group have
-- served, and no result names them; what still reads them has some minutes.
update ledgers l
set state = 'superseded', superseded_at = clock_timestamp(), task = null
from wallet_tasks t
where t.batch_id = $1 and l.chain = t.chain and l.state = 'current' and l.tenant = $2
  and l.wallet = 'group:' || t.batch_id || ':' || t.wallet
