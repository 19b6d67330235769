-- webhooks/insert: $1 batch, $2 tenant, $3 URL
insert into job_webhooks (batch_id, tenant, url) values ($1, $2, $3)
