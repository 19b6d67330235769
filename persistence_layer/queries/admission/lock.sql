-- admission/lock: whoever opens a batch queues here
select id from admission where id = 1 for update
