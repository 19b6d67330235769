-- balance_snapshots/put: $1 chain, $2 wallet, $3 pin, $4 block of the node, $5 balances as text,
-- $6 task, $7 fence. Gives those that are stored for the pin: the first ones. No row: the lease was
-- lost.
with held as (
    select id from wallet_tasks
    where id = $6 and fence = $7 and state = 'running'
    for no key update
)
insert into balance_snapshots (chain, wallet, pin_block, node_block, balances)
select $1, $2, $3, $4, $5::text::json from held
on conflict (chain, wallet, pin_block) do update set node_block = balance_snapshots.node_block
returning node_block, balances
