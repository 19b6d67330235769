-- final_blocks/newest: $1 chain
select block, hash from final_blocks
where chain = $1
order by block desc
limit 1
