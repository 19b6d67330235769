-- bench_data/insert_batch: $1 id, $2 chain, $3 number of wallets
insert into batches (
    id, chain, request, trace_id, total, state, done, failed, timed_out, cancelled, started_at, finished_at)
values ($1::uuid, $2, '{"synthetic": true}', md5($1::uuid::text), $3, 'completed', $3, 0, 0, 0, clock_timestamp(), clock_timestamp())
