-- retention/unused_scans: $1 how long unused lists are kept, $2 limit. The lists unused for longest,
-- locked; of no wallet that an open task is about.
select s.chain, s.address
from address_scans s
where s.updated_at < least(
        now() - $1::interval,
        (select min(b.created_at) from batches b where b.state = 'active') - interval '1 day')
  and not exists (
      select from wallet_tasks t
      where t.chain = s.chain and t.wallet = s.address and coalesce(t.lease_until, t.finished_at) is null)
  and not exists (
      select from wallet_tasks t
      where t.chain = s.chain and t.wallet = s.address and t.state = 'running')
order by s.updated_at
limit $2
for update of s skip locked
