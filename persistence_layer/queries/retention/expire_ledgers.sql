-- retention/expire_ledgers: $1 limit. Current ledgers whose batch is gone: nothing newer came.
update ledgers
set state = 'superseded', superseded_at = clock_timestamp()
where (chain, ledger_id) in (
    select chain, ledger_id from ledgers
    where task is null and state = 'current'
    limit $1
    for update skip locked)
