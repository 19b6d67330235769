-- webhooks/keep_body: $1 delivery, $2 fence, $3 number of the event, $4 body, $5 how long nobody else takes it from now
-- on. No row: the claim was lost.
update webhook_deliveries
set number = $3, body = $4, due_at = clock_timestamp() + $5::interval
where id = $1 and fence = $2 and state = 'waiting'
