-- batches/unsettled: $1 limit. Active batches without an open task: whoever ended the last one did
-- not know of the gate.
select b.id from batches b
where b.state = 'active'
  and (
      select t.id from wallet_tasks t
      where t.batch_id = b.id and t.finished_at is null
      order by t.ordinal desc
      limit 1) is null
order by b.id
limit $1
