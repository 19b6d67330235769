-- token_facts/get: $1 chain, $2 contracts
select contract, decimals, symbol from token_facts
where chain = $1 and contract = any ($2::text[])
