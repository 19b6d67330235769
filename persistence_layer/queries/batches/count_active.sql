-- batches/count_active
select count(*) filter (where waiting_since is null) as "admitted!",
    count(*) filter (where waiting_since is not null) as "waiting!"
from batches
where state = 'active'
