-- admission/lock: whoever opens a batch queues here
select max_concurrent from admission where id = 1 for update
