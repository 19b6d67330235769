-- final_blocks/get: $1 chain, $2 block
select hash from final_blocks where chain = $1 and block = $2
