-- operator_actions/finish: $1 id, $2 outcome
update operator_actions
set finished_at = clock_timestamp(), outcome = $2
where id = $1 and finished_at is null
