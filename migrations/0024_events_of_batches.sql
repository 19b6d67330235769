-- As 0023, for the jobs themselves; in a file of its own, since the work locks tasks and batches in either order.
set local lock_timeout = '10s';

create function tell_change_of_batch() returns trigger
language plpgsql
as $$
begin
    if old.started_at is null and new.started_at is not null then
        insert into job_events (batch_id, kind) values (new.id, 'started');
    end if;
    if old.state <> new.state then
        insert into job_events (batch_id, kind)
        values (new.id, case new.state when 'active' then 'retried' else new.state end);
    end if;
    return null;
end;
$$;

create trigger batches_change
after update of state, started_at on batches
for each row
when (old.state <> new.state or old.started_at is null and new.started_at is not null)
execute function tell_change_of_batch();

-- What retention of an older program leaves behind.
create function forget_events_of_batch() returns trigger
language plpgsql
as $$
begin
    delete from job_events where batch_id = old.id;
    return null;
end;
$$;

create trigger batches_removal
after delete on batches
for each row
execute function forget_events_of_batch();
