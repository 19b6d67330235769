-- ledgers/discard: $1 chain, $2 task. Its chunks go with it.
delete from ledgers where chain = $1 and task = $2 and state = 'building'
