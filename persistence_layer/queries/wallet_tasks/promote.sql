-- wallet_tasks/promote: $1 limit. Delayed tasks whose time has come become ready.
-- Only a delayed task has a time; the state is left out, so that no other index fits.
update wallet_tasks
set state = 'queued', run_at = null
where id = any (array(
    select id from wallet_tasks
    where run_at <= now()
    order by run_at
    limit $1
    for update skip locked))
