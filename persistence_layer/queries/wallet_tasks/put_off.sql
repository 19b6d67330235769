-- wallet_tasks/put_off: $1 task, $2 fence. Milliseconds since the task was first put off at no cost, and
-- how many attempts ended so since. No row: not with nothing stored since, nor since it was begun, nor
-- after a time in which nobody took it up: that tells nothing of those it needs (requeue.sql likewise).
select
    (extract(epoch from clock_timestamp() - t.put_off_since) * 1000)::bigint as "milliseconds!",
    (select count(*) from wallet_attempts a
     where a.task = t.id and a.ended >= t.put_off_since
       and (a.outcome in ('provider_throttled', 'outage')
            or a.error_code in ('database-timeout', 'database-failing'))) as "times!"
from wallet_tasks t
where t.id = $1 and t.fence = $2
  and t.put_off_progress = t.progress and t.put_off_since >= t.started_at
  and (select max(a.ended) from wallet_attempts a where a.task = t.id)
    > (select a.started from wallet_attempts a where a.task = t.id and a.fence = $2) - interval '1 hour'
