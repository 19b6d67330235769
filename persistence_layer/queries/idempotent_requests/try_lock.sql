-- idempotent_requests/try_lock: $1 tenant, $2 key. False: a submission of the tenant with this key is under way.
-- That of the tenant default is the lock that an older program takes.
select pg_try_advisory_xact_lock(hashtextextended(
    'idempotency:' || $2::text,
    case when $1::text = 'default' then 0 else hashtextextended($1, 0) end)) as "alone!"
