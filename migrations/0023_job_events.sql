-- What happens to jobs, event by event, for clients that follow them. The database writes it down itself, in the
-- transaction in which it happens: whatever process of whatever version ends a wallet, its event is there.
set local lock_timeout = '10s';

create table job_events (
    id bigint generated always as identity,
    batch_id uuid not null,
    seq bigint,
    kind text not null,
    wallet text,
    error_code text,
    at timestamptz not null default clock_timestamp(),
    -- Rows without a number do not collide.
    constraint job_events_numbered unique (batch_id, seq)
);
comment on table job_events is
    'Events of jobs. No reference to batches: every end of a wallet would lock the row of its batch.';
comment on column job_events.id is 'Order of writing; an event that was caused by another has the larger one.';
comment on column job_events.seq is
    'Number in the job, from 1 without gaps, given when somebody reads: by then it is committed, so that no '
    'lower number can appear behind a higher one. Null until then.';
comment on column job_events.kind is
    'The end state of a wallet when there is one; else started, retried, or the end state of the job.';
comment on column job_events.wallet is 'The wallet that ended, or group:<job>; null in events of the job.';

create function tell_end_of_task() returns trigger
language plpgsql
as $$
begin
    insert into job_events (batch_id, kind, wallet, error_code)
    values (
        new.batch_id, new.state, new.wallet,
        case when new.state in ('failed', 'timed_out') then new.error ->> 'code' end);
    return null;
end;
$$;

create trigger wallet_tasks_end
after update of state on wallet_tasks
for each row
when (new.finished_at is not null and old.finished_at is null)
execute function tell_end_of_task();
