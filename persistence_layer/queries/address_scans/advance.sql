-- address_scans/advance: $1 chain, $2 address, $3 pass, $4 next position, then either $5 head and
-- $6 before (more pages follow), or $7 covered until and $8 covered slot (finished); $9 task, held by
-- this transaction, and $10 its progress
-- Coverage never shrinks: a slower reader of the same list may finish later with less.
with progressed as (
    update wallet_tasks set progress = progress + $10 where id = $9 and $10::bigint > 0
)
update address_scans
set pass = $3,
    next_pos = $4,
    head = $5,
    before = $6,
    covered_until = case when $8::bigint >= covered_slot then coalesce($7, covered_until)
        else covered_until end,
    covered_slot = greatest(covered_slot, $8::bigint),
    updated_at = clock_timestamp()
where chain = $1 and address = $2
