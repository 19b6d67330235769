-- Which batches are rounds of continuous mode, and what operators may ask for.
set local lock_timeout = '10s';

alter table operator_actions drop constraint operator_actions_action_check;
alter table operator_actions add constraint operator_actions_action_check
    check (action in ('optimize', 'continuous-start', 'continuous-stop'));

alter table batches add column is_round boolean not null default false;
comment on column batches.is_round is
    'Made by continuous mode: it takes no place of admission, and goes when newer rounds have replaced all of it.';
