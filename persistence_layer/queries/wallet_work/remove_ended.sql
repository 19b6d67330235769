-- wallet_work/remove_ended: $1 limit. What tasks that have ended left; a retry makes it anew.
delete from wallet_work
where task in (
    select w.task
    from wallet_work w
    join wallet_tasks t on t.id = w.task
    where t.state in ('done', 'failed', 'timed_out', 'cancelled')
    limit $1
    for update of w skip locked)
