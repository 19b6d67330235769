-- What an operator has every process forget: what was kept of these tags when the row came.
set local lock_timeout = '10s';

alter table operator_actions
    add column tags text[],
    drop constraint operator_actions_action_check,
    add constraint operator_actions_action_check check (action in ('optimize', 'continuous-start', 'continuous-stop', 'purge')),
    add constraint operator_actions_tags_check check ((action = 'purge') = (tags is not null));
comment on column operator_actions.tags is 'What is forgotten, in the words of the request; null: another action.';

-- Every process looks for the newest ones each second.
create index operator_actions_purges on operator_actions (asked_at) where action = 'purge';
