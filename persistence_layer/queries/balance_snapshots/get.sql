-- balance_snapshots/get: $1 chain, $2 wallet, $3 pin
select node_block, balances from balance_snapshots
where chain = $1 and wallet = $2 and pin_block = $3
