-- webhooks/count_waiting: how many are to be told, now or later, of jobs that clients see
select count(*) as "waiting!"
from webhook_deliveries d
where d.state = 'waiting' and not exists (select from expired_batches e where e.id = d.batch_id)
