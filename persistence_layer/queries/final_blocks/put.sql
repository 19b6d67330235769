-- final_blocks/put: $1 chain, $2 block, $3 hash. Gives the hash that is stored: the first one stays.
with put as (
    insert into final_blocks (chain, block, hash) values ($1, $2, $3)
    on conflict (chain, block) do nothing
    returning hash
)
select hash as "hash!" from put
union all
select hash from final_blocks where chain = $1 and block = $2
limit 1
