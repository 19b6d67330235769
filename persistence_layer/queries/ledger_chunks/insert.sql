-- ledger_chunks/insert: $1 chain, $2 ledger, $3 number, $4 events, $5 payload
insert into ledger_chunks (chain, ledger_id, no, events, payload)
values ($1, $2, $3, $4, $5)
on conflict (chain, ledger_id, no) do nothing
