-- webhooks/end_attempt: $1 delivery, $2 fence, $3 state, $4 until the next attempt (null: there is none), $5 HTTP status,
-- $6 why it did not do. No row: the claim was lost.
update webhook_deliveries
set state = $3,
    due_at = coalesce(clock_timestamp() + $4::interval, due_at),
    ended_at = case when $3 <> 'waiting' then clock_timestamp() end,
    last_status = $5,
    last_error = $6
where id = $1 and fence = $2 and state = 'waiting'
returning batch_id
