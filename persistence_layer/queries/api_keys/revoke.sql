-- api_keys/revoke: $1 id. A key that is revoked stays as it is.
update api_keys set revoked_at = coalesce(revoked_at, clock_timestamp()) where id = $1
