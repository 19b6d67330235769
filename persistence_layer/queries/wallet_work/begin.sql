-- wallet_work/begin: $1 task, held by this transaction
insert into wallet_work (task) values ($1) on conflict (task) do nothing
