-- batches/count_active
select count(*) as "active!" from batches where state = 'active'
