-- address_scans/cover: whole lists of addresses nobody has asked for, and the balances that come with
-- them. $1 chain, then arrays of one length: $2 tasks, $3 fences, $4 addresses, $5 their newest ids or
-- null, $6 covered slots, $7 wallets, $8 pin blocks, $9 blocks of the node, $10 balances as text, or
-- nulls; then the rows of all lists: $11 addresses, $12 places in the list, newest 0, $13 ids,
-- $14 slots, $15 block times, $16 failed; and of each list $17 how many rows it has
-- A row for each list. `held` false: the lease was lost. `began` false: the address was asked for
-- meanwhile. Then nothing of it is stored. `balances`: those that are stored for the pin, the first.
-- Everything is locked in order: tasks by id, addresses and wallets by name.
with given as materialized (
    select *
    from unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[],
        $8::bigint[], $9::bigint[], $10::text[], $17::integer[]) with ordinality
        as given (task, fence, address, newest, covered_slot, wallet, pin_block, node_block, balances,
            length, no)
),
rows as materialized (
    select *
    from unnest($11::text[], $12::integer[], $13::text[], $14::bigint[], $15::bigint[], $16::boolean[])
        as rows (address, pos, tx_id, slot, block_time, failed)
),
-- What somebody else has listed meanwhile counts as progress as well: this wallet need not do it.
held as (
    update wallet_tasks t
    set progress = t.progress + (
        select sum(1 + g.length)
        from given g
        where g.task = t.id and g.fence = t.fence)
    where t.id = any ($2::bigint[])
      -- Put so that the index of all that runs does not fit.
      and (t.state = 'running') is true
      and t.fence = any (array(select g.fence from given g where g.task = t.id))
    returning t.id, t.fence
),
-- Looked up in hashes, not joined: each list would be compared with all others.
kept as materialized (
    select * from given where ((task, fence) in (select id, fence from held)) is true
),
began as (
    insert into address_scans (chain, address, covered_until, covered_slot, pass, next_pos)
    select $1, address, newest, covered_slot, 1, length from kept order by address
    on conflict (chain, address) do nothing
    returning address
),
listed as (
    insert into address_signatures (chain, address, tx_id, slot, block_time, failed, pass, pos)
    select $1, address, tx_id, slot, block_time, failed, 1, pos
    from rows
    where (address in (select address from began)) is true
    on conflict (chain, address, tx_id) do nothing
    returning address
),
lengths as (
    select address, count(*) as listed from listed group by address
),
snapshots as (
    insert into balance_snapshots (chain, wallet, pin_block, node_block, balances)
    select $1, wallet, pin_block, node_block, balances::json
    from kept
    where wallet is not null and (address in (select address from began)) is true
    order by wallet
    on conflict (chain, wallet, pin_block) do update set node_block = balance_snapshots.node_block
    returning wallet, node_block, balances
)
select
    (given.no in (select no from kept)) is true as "held!",
    (given.no in (select no from kept) and given.address in (select address from began)) is true
        as "began!",
    coalesce(lengths.listed, 0) as "listed!",
    snapshots.node_block as "node_block?",
    snapshots.balances as "balances?"
from given
left join lengths using (address)
left join snapshots using (wallet)
order by given.no
