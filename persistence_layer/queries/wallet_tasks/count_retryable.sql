-- wallet_tasks/count_retryable: $1 batch
select count(*) as "count!" from wallet_tasks
where batch_id = $1 and state in ('failed', 'timed_out')
