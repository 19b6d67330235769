-- wallet_tasks/expired: $1 limit
select id, fence, batch_id from wallet_tasks
where state = 'running' and lease_until < now()
order by lease_until
limit $1
