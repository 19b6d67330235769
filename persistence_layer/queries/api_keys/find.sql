-- api_keys/find: $1 hash. Its time is told as what is left of it, so that no other clock matters.
select id, tenant, scopes,
    (extract(epoch from expires_at - now()) * 1000)::bigint as left_ms
from api_keys
where hash = $1 and revoked_at is null and (expires_at is null or expires_at > now())
