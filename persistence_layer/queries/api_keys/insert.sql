-- api_keys/insert: $1 id, $2 tenant, $3 name, $4 hash, $5 scopes, $6 how long it is valid or null
insert into api_keys (id, tenant, name, hash, scopes, expires_at)
values ($1, $2, $3, $4, $5, now() + $6::interval)
