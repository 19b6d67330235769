-- api_keys/mark_used: $1 id. Once a minute is enough.
update api_keys
set last_used_at = clock_timestamp()
where id = $1 and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
