-- webhooks/count_waiting: how many are to be told, now or later
select count(*) as "waiting!" from webhook_deliveries where state = 'waiting'
