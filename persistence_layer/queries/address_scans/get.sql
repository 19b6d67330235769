-- address_scans/get: $1 chain, $2 address
-- Marked as used, to the day, so that retention leaves the list alone. A row that is neither marked
-- lately nor could be marked now is being removed: it counts as absent.
with marked as (
    update address_scans
    set updated_at = clock_timestamp()
    where chain = $1 and address = $2 and updated_at < now() - interval '1 day'
    returning covered_until, covered_slot, head, before
)
select covered_until, covered_slot as "covered_slot!", head, before from marked
union all
select covered_until, covered_slot, head, before from address_scans
where chain = $1 and address = $2 and updated_at >= now() - interval '1 day'
