-- webhooks/hand_back: $1 delivery, $2 fence, $3 until it is claimed again. Nothing was sent: it was no attempt.
update webhook_deliveries
set attempts = attempts - 1, due_at = clock_timestamp() + $3::interval
where id = $1 and fence = $2 and state = 'waiting'
