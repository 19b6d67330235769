-- batches/lock: $1 batch. Every change of a task's state goes through here, batch before task.
select state, cancel_requested from batches where id = $1 for no key update
