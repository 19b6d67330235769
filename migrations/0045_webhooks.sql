-- Webhooks: where the end of a job is to be told, and each telling. A telling comes into being with its event, in the
-- transaction in which the job ends, whichever program ends it.
set local lock_timeout = '10s';

create table job_webhooks (
    batch_id uuid primary key references batches on delete cascade,
    tenant text not null,
    url text not null check (length(url) <= 2048),
    gone_at timestamptz
);
comment on table job_webhooks is 'Where the end of a job is told; a row for each job that has asked for it.';
comment on column job_webhooks.tenant is 'That of the job.';
comment on column job_webhooks.url is 'As its client gave it; may hold a secret.';
comment on column job_webhooks.gone_at is 'When the receiver said that it is gone (410); nothing more is told then.';

create table webhook_deliveries (
    id bigint generated always as identity primary key,
    batch_id uuid not null references job_webhooks on delete cascade,
    tenant text not null,
    event_id bigint not null unique,
    kind text not null,
    at timestamptz not null,
    number bigint,
    body text,
    state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed', 'gone')),
    attempts integer not null default 0 check (attempts >= 0),
    fence bigint not null default 0,
    due_at timestamptz not null default clock_timestamp(),
    tried_at timestamptz,
    ended_at timestamptz,
    last_status integer,
    last_error text,
    check ((state = 'waiting') = (ended_at is null)),
    check ((number is null) = (body is null))
);
comment on table webhook_deliveries is 'Events of jobs that are told to a webhook, one row for each.';
comment on column webhook_deliveries.tenant is 'That of the job.';
comment on column webhook_deliveries.event_id is 'job_events.id of what is told.';
comment on column webhook_deliveries.kind is 'job_events.kind of it: the end state of the job.';
comment on column webhook_deliveries.at is 'job_events.at of it.';
comment on column webhook_deliveries.number is 'job_events.seq of it; null until it is told the first time.';
comment on column webhook_deliveries.body is 'What is sent, the same each time; null until it is told the first time.';
comment on column webhook_deliveries.attempts is 'Tries since it came into being, or was asked for again.';
comment on column webhook_deliveries.fence is 'One more for each claim and each new beginning: who holds an older one has lost it.';
comment on column webhook_deliveries.due_at is
    'When it is tried next. While it is being tried: when another process may take it over.';
comment on column webhook_deliveries.last_status is 'HTTP status of the last answer; null: there was none.';
comment on column webhook_deliveries.last_error is 'Why the last try did not do; null after one that did.';

create index webhook_deliveries_due on webhook_deliveries (due_at) where state = 'waiting';
create index webhook_deliveries_of_batch on webhook_deliveries (batch_id, id);

-- As in 0024, and tells the end to the webhook.
create or replace function tell_change_of_batch() returns trigger
language plpgsql
as $$
declare
    event record;
begin
    if old.started_at is null and new.started_at is not null then
        insert into job_events (batch_id, kind) values (new.id, 'started');
    end if;
    if old.state <> new.state then
        insert into job_events (batch_id, kind)
        values (new.id, case new.state when 'active' then 'retried' else new.state end)
        returning id, kind, at into event;
        if new.state <> 'active' then
            insert into webhook_deliveries (batch_id, tenant, event_id, kind, at)
            select h.batch_id, h.tenant, event.id, event.kind, event.at
            from job_webhooks h
            where h.batch_id = new.id and h.gone_at is null;
        end if;
    end if;
    return null;
end;
$$;
