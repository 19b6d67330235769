-- batches/pin: $1 id. The pin alone: every wallet that begins before there is one asks for it.
select pin_block, pin_block_time
from batches
where id = $1
