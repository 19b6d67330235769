-- wallet_tasks/queue_counts
select
    count(*) filter (where state = 'queued') as "queued!",
    count(*) filter (where state = 'delayed') as "delayed!",
    count(*) filter (where state = 'running') as "running!"
from wallet_tasks
where finished_at is null
