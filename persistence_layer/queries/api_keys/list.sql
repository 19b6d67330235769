-- api_keys/list
select id, tenant, name, scopes, created_at, expires_at, revoked_at, last_used_at,
    revoked_at is null and (expires_at is null or expires_at > now()) as "is_valid!"
from api_keys
order by id
