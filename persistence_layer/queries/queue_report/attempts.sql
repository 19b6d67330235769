-- queue_report/attempts: tasks of the active batches by the attempts they have begun
select least(t.fence, 10) as "attempts!", count(*) as "tasks!"
from batches b
join wallet_tasks t on t.batch_id = b.id
where b.state = 'active'
group by 1
order by 1
