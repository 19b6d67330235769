-- api_keys/lock: $1 id
select tenant, name, scopes,
    revoked_at is null and (expires_at is null or expires_at > now()) as "is_valid!"
from api_keys
where id = $1
for update
