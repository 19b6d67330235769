-- idempotency_keys/get: $1 key, $2 how long an answer is kept
select fingerprint, response
from idempotency_keys
where key = $1 and created_at > now() - $2::interval
