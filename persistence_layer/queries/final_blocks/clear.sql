-- final_blocks/clear: $1 chain, $2 last block. The hash of a block stands for those before it, too.
update final_blocks
set changed_to = null, changed_at = null
where chain = $1 and block <= $2 and changed_to is not null
