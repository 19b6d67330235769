-- wallet_tasks/add_progress: $1 task, held by this transaction, $2 rows
update wallet_tasks set progress = progress + $2 where id = $1
