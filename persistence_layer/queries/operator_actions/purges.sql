-- operator_actions/purges: $1 interval, $2 most rows: the purges of the last while, the newest first
select id, tags as "tags!"
from operator_actions
where action = 'purge' and asked_at > clock_timestamp() - $1::interval
order by asked_at desc
limit $2
