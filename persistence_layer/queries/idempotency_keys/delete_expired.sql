-- idempotency_keys/delete_expired: $1 how long an answer is kept, $2 limit
delete from idempotency_keys
where key in (
    select key from idempotency_keys
    where created_at <= now() - $1::interval
    order by created_at
    limit $2
    for update skip locked)
