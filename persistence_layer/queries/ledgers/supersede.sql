-- ledgers/supersede: $1 chain, $2 wallet
update ledgers
set state = 'superseded', superseded_at = clock_timestamp()
where chain = $1 and wallet = $2 and state = 'current'
