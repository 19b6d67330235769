-- idempotency_keys/upsert: $1 key, $2 fingerprint, $3 batch, $4 response as text
-- A row that is still there has expired.
insert into idempotency_keys (key, fingerprint, batch_id, response)
values ($1, $2, $3, $4::text::json)
on conflict (key) do update
set fingerprint = excluded.fingerprint,
    batch_id = excluded.batch_id,
    response = excluded.response,
    created_at = clock_timestamp()
