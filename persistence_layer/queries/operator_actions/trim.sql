-- operator_actions/trim: $1 rows that are kept, the newest ones
delete from operator_actions
where id <= (select id from operator_actions order by id desc offset $1 limit 1)
