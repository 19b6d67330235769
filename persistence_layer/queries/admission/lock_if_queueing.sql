-- admission/lock_if_queueing: the limit up to which waiting batches are admitted. No row, and no
-- lock: no process of this database ever let a batch wait.
select max_concurrent as "max_concurrent!" from admission
where id = 1 and max_concurrent is not null
for update
