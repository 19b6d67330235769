-- retention/next_expired: a batch whose removal is not finished, and the state of its row
select e.id, b.state as "state?"
from expired_batches e
left join batches b on b.id = e.id
where not e.removed
order by e.id
limit 1
