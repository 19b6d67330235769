-- What operators have asked of the service, and what came of it.
create table operator_actions (
    id uuid primary key,
    action text not null check (action in ('optimize')),
    asked_at timestamptz not null default clock_timestamp(),
    key_id uuid,
    trace_id text not null,
    process text not null,
    finished_at timestamptz,
    outcome json
);
comment on table operator_actions is 'One row for each request of an operator that does something; the newest 10,000.';
comment on column operator_actions.id is 'UUID v7: its order is the order of the requests.';
comment on column operator_actions.key_id is 'The key in api_keys; null: the listener of operators, or no keys are asked for.';
comment on column operator_actions.process is 'The instance that was asked.';
comment on column operator_actions.finished_at is 'Null: it is being carried out, or its process has ended in between.';
comment on column operator_actions.outcome is 'What it has changed.';
