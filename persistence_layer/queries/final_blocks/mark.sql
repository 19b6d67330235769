-- final_blocks/mark: $1 chain, $2 block, $3 the hash it is said to have now
update final_blocks
set changed_to = $3, changed_at = coalesce(changed_at, clock_timestamp())
where chain = $1 and block = $2 and changed_to is distinct from $3
