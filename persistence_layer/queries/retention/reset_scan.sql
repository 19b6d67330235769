-- retention/reset_scan: $1 chain, $2 address, of whose signatures some are left. Nothing counts as
-- covered any more, so whoever needs the list reads it whole; the number of the pass goes on, so
-- that what it then finds here is older than what it reads.
update address_scans
set covered_until = null, covered_slot = 0, next_pos = 0, head = null, before = null
where chain = $1 and address = $2
