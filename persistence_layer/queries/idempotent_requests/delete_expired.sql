-- idempotent_requests/delete_expired: $1 how long an answer is kept, $2 limit. Those of all tenants.
delete from idempotent_requests
where (tenant, key) in (
    select tenant, key from idempotent_requests
    where created_at <= now() - $1::interval
    order by created_at
    limit $2
    for update skip locked)
