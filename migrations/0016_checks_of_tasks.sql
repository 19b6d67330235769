-- A statement reads the text of every check of the tables it writes, each time (measured: seven checks
-- nearly double the time of an update of one row). What the types of the program rule out, or the batch
-- has checked, is not checked again; what one column says of another stays, and so does the state.
-- Tasks before attempts, as everywhere.
set local lock_timeout = '10s';

alter table wallet_tasks
    drop constraint wallet_tasks_chain_check,
    drop constraint wallet_tasks_ordinal_check,
    drop constraint wallet_tasks_attempts_check,
    drop constraint wallet_tasks_continuations_check,
    drop constraint wallet_tasks_takeovers_check,
    drop constraint wallet_tasks_wait_reason_check;
alter table wallet_attempts drop constraint wallet_attempts_outcome_check;
