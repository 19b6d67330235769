-- api_keys/expire: $1 id, $2 how long it is still valid, unless it ends before
update api_keys
set expires_at = least(expires_at, now() + $2::interval)
where id = $1
returning expires_at as "expires_at!"
