-- retention/silent_lately: between two wallets such a process runs nothing, so what it did lately for an
-- open batch counts.
select exists (
    select from batches b
    join wallet_tasks t on t.batch_id = b.id
    join wallet_attempts a on a.task = t.id
    where b.state = 'active'
      and a.started > clock_timestamp() - interval '1 hour'
      and not exists (
          select from processes p
          where p.id = a.worker and p.seen_at > clock_timestamp() - interval '1 hour')) as "in_use!"
