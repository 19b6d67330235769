-- idempotent_requests/upsert: $1 tenant, $2 key, $3 fingerprint, $4 batch, $5 response as text
-- A row that is still there has expired.
insert into idempotent_requests (tenant, key, fingerprint, batch_id, response)
values ($1, $2, $3, $4, $5::text::json)
on conflict (tenant, key) do update
set fingerprint = excluded.fingerprint,
    batch_id = excluded.batch_id,
    response = excluded.response,
    created_at = clock_timestamp()
