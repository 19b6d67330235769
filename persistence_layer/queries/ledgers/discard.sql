-- ledgers/discard: $1 chain, $2 tasks. Their chunks go with them.
delete from ledgers where chain = $1 and task = any ($2::bigint[]) and state = 'building'
