-- token_facts/put: $1 chain, $2 contracts, $3 decimals, $4 symbols. What is there stays.
insert into token_facts (chain, contract, decimals, symbol)
select $1, of.contract, of.decimals, of.symbol
from unnest($2::text[], $3::smallint[], $4::text[]) as of (contract, decimals, symbol)
on conflict (chain, contract) do nothing
