-- raw_transactions/get: $1 chain, $2 ids
select tx_id, block, block_time, payload from raw_transactions
where chain = $1 and tx_id = any ($2::text[])
