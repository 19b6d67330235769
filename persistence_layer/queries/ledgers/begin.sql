-- ledgers/begin: $1 chain, $2 ledger, $3 wallet, $4 task, $5 fence, $6 tenant
insert into ledgers (chain, ledger_id, wallet, task, fence, tenant)
values ($1, $2, $3, $4, $5, $6)
on conflict (chain, ledger_id) do nothing
