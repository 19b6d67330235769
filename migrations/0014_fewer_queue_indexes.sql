-- What 0003 does better. Each of these fits whatever asks for a state of a task, and a plan that was made
-- while the table was small reads it whole, at each heartbeat and each end.
set local lock_timeout = '10s';

drop index wallet_tasks_due;
drop index wallet_tasks_leases;
drop index wallet_tasks_open;
