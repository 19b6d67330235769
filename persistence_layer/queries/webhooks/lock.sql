-- webhooks/lock: $1 batch
select batch_id from job_webhooks where batch_id = $1 for update
