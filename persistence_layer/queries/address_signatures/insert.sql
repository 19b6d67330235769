-- address_signatures/insert: $1 chain, $2 address, $3 ids newest first, $4 slots, $5 block times,
-- $6 failed, $7 walk, $8 position of the first. Gives how many are new.
-- What an earlier walk has brought takes its place in this one.
with page as materialized (
    select distinct on (tx_id) *
    from unnest($3::text[], $4::bigint[], $5::bigint[], $6::boolean[])
        with ordinality as listed (tx_id, slot, block_time, failed, place)
    order by tx_id, place
),
known as materialized (
    select s.tx_id from address_signatures s
    where s.chain = $1 and s.address = $2 and s.tx_id = any ($3::text[])
),
written as (
    insert into address_signatures (chain, address, tx_id, slot, block_time, failed, pass, pos)
    select $1, $2, page.tx_id, page.slot, page.block_time, page.failed, $7, $8 + page.place - 1
    from page
    on conflict (chain, address, tx_id) do update
    set pass = excluded.pass, pos = excluded.pos
    where address_signatures.pass < excluded.pass
)
select count(*) as "new!" from page where not exists (
    select from known where known.tx_id = page.tx_id)
