-- final_blocks/newest: $1 chain, $2 last block
select block, hash from final_blocks
where chain = $1 and block <= $2
order by block desc
limit 1
