-- address_scans/advance: $1 chain, $2 address, $3 walk, $4 its next position, then either $5 head and
-- $6 before (more pages follow), or $7 covered until and $8 covered slot (finished); $9 task, held by
-- this transaction, and $10 its progress
-- The position is for programs that number rows by it; here a page follows the row it begins with.
-- Coverage never shrinks: a slower reader of the same list may finish later with less.
with progressed as (
    update wallet_tasks set progress = progress + $10 where id = $9 and $10::bigint > 0
)
update address_scans
set pass = greatest(pass, $3),
    next_pos = case when pass = $3 then greatest(next_pos, $4) when pass < $3 then $4
        else next_pos end,
    head = $5,
    before = $6,
    covered_until = case when $8::bigint >= covered_slot then coalesce($7, covered_until)
        else covered_until end,
    covered_slot = greatest(covered_slot, $8::bigint),
    updated_at = clock_timestamp()
where chain = $1 and address = $2
