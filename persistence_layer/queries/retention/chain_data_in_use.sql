-- retention/chain_data_in_use: $1 age at which a report is old. Whether a process works on a wallet
-- of which it is not known that it marks what it uses: one of the first schema, or a silent one.
-- Between two wallets such a process runs nothing, so what it did lately for an open batch counts.
select exists (
    select from wallet_tasks t
    where t.state = 'running'
      and not exists (
          select from processes p
          where p.id = t.worker and p.seen_at > clock_timestamp() - $1::interval))
or exists (
    select from batches b
    join wallet_tasks t on t.batch_id = b.id
    join wallet_attempts a on a.task = t.id
    where b.state = 'active'
      and a.started > clock_timestamp() - interval '1 hour'
      and not exists (
          select from processes p
          where p.id = a.worker and p.seen_at > clock_timestamp() - interval '1 hour')) as "in_use!"
