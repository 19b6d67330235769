-- address_scans/cover: the whole list of an address nobody has asked for, and the balances that come
-- with it, in one statement. $1 task, $2 fence, $3 chain, $4 address, $5 ids newest first, $6 slots,
-- $7 block times, $8 failed, $9 covered slot, and $10 wallet, $11 pin block, $12 block of the node,
-- $13 balances as text, or nulls. `held` false: the lease was lost. `began` false: the address was
-- asked for meanwhile. Then nothing is stored. `balances`: those that are stored for the pin, the first.
with held as materialized (
    select id from wallet_tasks
    where id = $1 and fence = $2 and state = 'running'
    for no key update
),
began as (
    insert into address_scans (chain, address, covered_until, covered_slot, pass, next_pos)
    select $3, $4, ($5::text[])[1], $9, 1, cardinality($5::text[])
    from held
    on conflict (chain, address) do nothing
    returning chain
),
listed as (
    insert into address_signatures (chain, address, tx_id, slot, block_time, failed, pass, pos)
    select $3, $4, page.tx_id, page.slot, page.block_time, page.failed, 1, page.place - 1
    from unnest($5::text[], $6::bigint[], $7::bigint[], $8::boolean[])
        with ordinality as page (tx_id, slot, block_time, failed, place)
    where exists (select from began)
    on conflict (chain, address, tx_id) do nothing
    returning chain
),
balances as (
    insert into balance_snapshots (chain, wallet, pin_block, node_block, balances)
    select $3, $10, $11, $12, $13::text::json
    where $10::text is not null and exists (select from began)
    on conflict (chain, wallet, pin_block) do update set node_block = balance_snapshots.node_block
    returning node_block, balances
),
progressed as (
    update wallet_tasks
    set progress = progress + 1 + (select count(*) from listed)
    where id = $1 and exists (select from began)
)
select
    exists (select from held) as "held!",
    exists (select from began) as "began!",
    (select count(*) from listed) as "listed!",
    (select node_block from balances) as node_block,
    (select balances from balances) as balances
