-- batches/others_wait: $1 batch. Whether tasks of it wait, and a cancel was asked for. Read from the
-- end of the submission, which is claimed last, so that the first row read decides.
select b.cancel_requested,
    (select t.id from wallet_tasks t
     where t.batch_id = b.id and t.finished_at is null and t.lease_until is null
     order by t.ordinal desc
     limit 1) is not null as "others_wait!"
from batches b
where b.id = $1
