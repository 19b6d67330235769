-- batches/insert: $1 id, $2 chain, $3 request as text, $4 trace id, $5 number of wallets, $6 now
insert into batches (id, chain, request, trace_id, total, created_at)
values ($1, $2, $3::text::json, $4, $5, $6)
