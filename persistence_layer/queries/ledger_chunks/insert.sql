-- ledger_chunks/insert: $1 chain, $2 ledger, $3 number, $4 events, $5 payload,
-- $6 figures
insert into ledger_chunks (chain, ledger_id, no, events, payload, figures)
values ($1, $2, $3, $4, $5, $6)
on conflict (chain, ledger_id, no) do nothing
