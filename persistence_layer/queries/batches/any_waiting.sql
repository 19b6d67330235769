-- batches/any_waiting
select exists (
    select from batches where state = 'active' and waiting_since is not null) as "waiting!"
