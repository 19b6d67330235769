-- wallet_work/discard: $1 task, held by this transaction. All that its attempts have left.
delete from wallet_work where task = $1
