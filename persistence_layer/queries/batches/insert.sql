-- batches/insert: $1 id, $2 chain, $3 request as text, $4 trace id, $5 number of wallets, $6 now,
-- $7 waits for admission, $8 tenant
insert into batches (id, chain, request, trace_id, total, created_at, waiting_since, tenant)
values ($1, $2, $3::text::json, $4, $5, $6, case when $7::boolean then clock_timestamp() end, $8)
