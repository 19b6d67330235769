-- care_runs/is_due: $1 task, $2 pause between two runs of the fleet
select not exists (
    select from care_runs
    where task = $1 and finished_at > clock_timestamp() - $2::interval) as "due!"
