-- queue_report/takeovers: leases that were taken away from workers that died
select count(*) filter (where ended > clock_timestamp() - interval '1 hour') as "last_hour!",
    count(*) as "ever!"
from wallet_attempts
where outcome in ('lease_expired', 'parked')
