-- wallet_tasks/expired: $1 limit. Only a running task has a lease; the state is left out, so that
-- no other index fits.
select id, fence, batch_id from wallet_tasks
where lease_until < now()
order by lease_until
limit $1
