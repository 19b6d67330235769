-- retention/silent_at_work: $1 age at which a report is old. Whether a process works on a wallet of
-- which it is not known that it marks what it uses: one of the first schema, or a silent one.
select exists (
    select from wallet_tasks t
    where t.state = 'running'
      and not exists (
          select from processes p
          where p.id = t.worker and p.seen_at > clock_timestamp() - $1::interval)) as "in_use!"
