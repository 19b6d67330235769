-- continuous_mode/lock: whether rounds begin; no row: another process is at it. Held to the end of the transaction.
select enabled from continuous_mode for update skip locked
