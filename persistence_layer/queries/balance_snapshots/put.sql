-- balance_snapshots/put: $1 chain, $2 wallet, $3 pin, $4 block of the node, $5 balances as text,
-- $6 task, $7 fence. Gives those that are stored for the pin: the first ones. No row: the lease was
-- lost. New ones count as progress.
with held as (
    select id from wallet_tasks
    where id = $6 and fence = $7 and state = 'running'
    for no key update
),
stored as (
    insert into balance_snapshots (chain, wallet, pin_block, node_block, balances)
    select $1, $2, $3, $4, $5::text::json from held
    on conflict (chain, wallet, pin_block) do update set node_block = balance_snapshots.node_block
    -- An inserted row has no xmax.
    returning node_block, balances, balance_snapshots.xmax = 0 as is_new
),
progressed as (
    update wallet_tasks set progress = progress + 1
    where id = $6 and (select is_new from stored)
)
select node_block, balances from stored
