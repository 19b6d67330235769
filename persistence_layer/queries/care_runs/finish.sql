-- care_runs/finish: $1 task
insert into care_runs (task, finished_at) values ($1, clock_timestamp())
on conflict (task) do update set finished_at = excluded.finished_at
