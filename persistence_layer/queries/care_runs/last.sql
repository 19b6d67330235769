-- care_runs/last: $1 task
select finished_at from care_runs where task = $1
