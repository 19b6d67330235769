-- processes/remove: $1 id
delete from processes where id = $1
