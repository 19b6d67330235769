-- As in 0045, and a delivery for each end also where the receiver wants no more, so that it can be told again.
set local lock_timeout = '10s';

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
            -- Whoever says at the same moment that the receiver is gone waits for this.
            insert into webhook_deliveries (batch_id, tenant, event_id, kind, at, state, ended_at)
            select h.batch_id, h.tenant, event.id, event.kind, event.at,
                case when h.gone_at is null then 'waiting' else 'gone' end,
                case when h.gone_at is not null then clock_timestamp() end
            from (select * from job_webhooks where batch_id = new.id for update) h;
        end if;
    end if;
    return null;
end;
$$;
comment on column job_webhooks.gone_at is
    'When the receiver said that it is gone (410); what ends later is told only when it is asked for.';

-- What is due is taken of each tenant in turn.
create index webhook_deliveries_due_of_tenant on webhook_deliveries (tenant, due_at, id) where state = 'waiting';
drop index webhook_deliveries_due;
