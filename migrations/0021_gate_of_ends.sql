-- The gate of a batch as one call, so that the end of a wallet is one statement.
set local lock_timeout = '10s';

-- Passes the gate of a batch together with others, when nobody is alone inside; waits for whoever is.
-- Whether tasks of the batch wait: read by a statement of its own, that sees what was committed before
-- the gate opened, and from the end of the submission, which is claimed last, so that the first row
-- read decides. When none waits, whoever asked has to pass alone, by another transaction.
create or replace function pass_gate_shared(of_batch uuid) returns boolean
language plpgsql volatile
as $$
begin
    perform pg_advisory_xact_lock_shared(hashtextextended('batch:' || of_batch::text, 0));
    return (
        select t.id
        from wallet_tasks t
        where t.batch_id = of_batch and t.finished_at is null and t.lease_until is null
        order by t.ordinal desc
        limit 1) is not null;
end;
$$;
