-- webhooks/deliveries: $1 batch, $2 tenant, $3 most. Newest first.
select number, kind, at, state, attempts, due_at, tried_at, ended_at, last_status, last_error
from webhook_deliveries
where batch_id = $1 and tenant = $2
order by id desc
limit $3
