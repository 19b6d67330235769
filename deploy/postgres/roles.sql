-- Roles and the database of pnl-tracker, once, as superuser on the primary:
--   psql -v ON_ERROR_STOP=1 -v password='…' -v replicator_password='…' -f roles.sql
create role pnl login password :'password';
create database pnl_tracker owner pnl;

-- A last limit for whatever logs in as this role, above all limits of the service: it sets its own for each statement
-- (database.*statement_timeout_seconds), and migrations may build an index.
alter role pnl set statement_timeout = '1h';
alter role pnl set idle_in_transaction_session_timeout = '5min';

-- For pnl-tracker db report and the lag of replicas in its metrics.
grant pg_read_all_stats to pnl;

create role replicator replication login password :'replicator_password';

\connect pnl_tracker
create extension if not exists pg_stat_statements;
