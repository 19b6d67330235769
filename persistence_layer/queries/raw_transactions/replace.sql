-- raw_transactions/replace: $1 chains, $2 ids, $3 blocks, $4 block times, $5 sizes, $6 payloads. For a
-- form of a transaction that knows more than the stored one.
insert into raw_transactions (chain, tx_id, block, block_time, size, payload)
select * from unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::integer[], $6::bytea[])
on conflict (chain, tx_id) do update
set block = excluded.block,
    block_time = excluded.block_time,
    size = excluded.size,
    payload = excluded.payload
