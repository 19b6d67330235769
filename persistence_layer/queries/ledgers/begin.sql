-- ledgers/begin: $1 chain, $2 ledger, $3 wallet, $4 task, $5 fence
insert into ledgers (chain, ledger_id, wallet, task, fence)
values ($1, $2, $3, $4, $5)
on conflict (chain, ledger_id) do nothing
