-- batches/set_pin: $1 batch, $2 block, $3 unix seconds. The first pin stays.
update batches
set pin_block = coalesce(pin_block, $2),
    pin_block_time = case when pin_block is null then $3 else pin_block_time end
where id = $1
returning pin_block, pin_block_time
