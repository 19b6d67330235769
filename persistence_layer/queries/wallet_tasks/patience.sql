-- wallet_tasks/patience: $1 milliseconds: the longest time of each later statement of this transaction
select set_config('statement_timeout', $1::text, true)
