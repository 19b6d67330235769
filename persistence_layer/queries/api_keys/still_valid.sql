-- api_keys/still_valid: $1 ids
select id
from api_keys
where id = any ($1::uuid[]) and revoked_at is null and (expires_at is null or expires_at > now())
