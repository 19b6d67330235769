-- balance_snapshots/put: $1 chain, $2 wallet, $3 pin, $4 block of the node, $5 balances as text
insert into balance_snapshots (chain, wallet, pin_block, node_block, balances)
values ($1, $2, $3, $4, $5::text::json)
on conflict (chain, wallet, pin_block) do nothing
