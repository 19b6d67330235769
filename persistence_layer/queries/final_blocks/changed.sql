-- final_blocks/changed: blocks that were final and have another hash now
select chain, block, hash, changed_to as "changed_to!", changed_at as "changed_at!"
from final_blocks
where changed_to is not null
order by chain, block
limit 20
