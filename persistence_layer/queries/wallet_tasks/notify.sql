-- wallet_tasks/notify: $1 channel. Equal notifications of one transaction are sent once.
select pg_notify($1, '')
