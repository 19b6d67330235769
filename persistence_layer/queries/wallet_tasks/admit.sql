-- wallet_tasks/admit: $1 batch, which waited. Its tasks become ready behind the head of the queue, as
-- if it was submitted now.
update wallet_tasks t
set state = 'queued', run_at = null, vtime = front.vtime + waits.place - 1
from (
    select id, row_number() over (order by ordinal) as place
    from wallet_tasks
    where batch_id = $1 and finished_at is null and run_at = 'infinity'
      and wallet <> 'group:' || $1::uuid
) as waits
cross join queue_front as front
where t.id = waits.id
