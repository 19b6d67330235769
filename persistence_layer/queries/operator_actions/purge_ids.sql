-- operator_actions/purge_ids: $1 interval, $2 most rows: the rows of operator_actions/purges without what they are about
select id
from operator_actions
where action = 'purge' and asked_at > clock_timestamp() - $1::interval
order by asked_at desc
limit $2
