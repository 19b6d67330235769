-- operator_actions/insert: $1 id, $2 action, $3 key or null, $4 trace id, $5 process, $6 tags of a purge or null
insert into operator_actions (id, action, key_id, trace_id, process, tags)
values ($1, $2, $3, $4, $5, $6)
