-- continuous_mode/figures. Those at rest are counted in their index alone.
select m.enabled, m.processed, m.failed, rest.due as "due!", rest.waiting as "waiting!",
    (select count(*) from watched_wallets w where w.batch_id is not null) as "running!",
    (select count(*) from watched_wallets w where w.parked_at is not null) as "parked!"
from continuous_mode m
cross join (
    select count(*) filter (where next_at <= now()) as due, count(*) filter (where next_at > now()) as waiting
    from watched_wallets
    where batch_id is null and parked_at is null
) as rest
