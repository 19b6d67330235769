-- idempotent_requests/get: $1 tenant, $2 key, $3 how long an answer is kept
select fingerprint, response
from idempotent_requests
where tenant = $1 and key = $2 and created_at > now() - $3::interval
