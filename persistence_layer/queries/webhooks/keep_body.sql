-- webhooks/keep_body: $1 delivery, $2 fence, $3 number of the event, $4 body. No row: the claim was lost.
update webhook_deliveries
set number = $3, body = $4
where id = $1 and fence = $2 and state = 'waiting'
