-- wallet_attempts/close: $1 task, $2 fence, $3 outcome, $4 error code
update wallet_attempts
set ended = clock_timestamp(), outcome = $3, error_code = $4
where task = $1 and fence = $2 and ended is null
