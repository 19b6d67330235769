-- A paused chain leaves the head of its tasks behind; new batches of other chains must not join there, ahead
-- of everything that waits.
set local lock_timeout = '10s';

create or replace view ready_heads as
select head.prio, head.vtime, head.id, known.chain
from unnest(array['solana', 'ethereum', 'base', 'binance-smart-chain']) as known (chain)
cross join lateral (
    select t.prio, t.vtime, t.id
    from wallet_tasks t
    where t.state = 'queued' and t.chain = known.chain
    order by t.prio, t.vtime, t.id
    limit 1
) as head;

create or replace view queue_front as
select coalesce(
    (select head.vtime from ready_heads head
     where (select r.id from wallet_tasks r
            where r.state = 'running' and r.chain = head.chain
            limit 1) is not null
     order by head.prio, head.vtime, head.id limit 1),
    (select vtime from ready_heads order by prio, vtime, id limit 1),
    (select max(vtime) from wallet_tasks where state = 'running'),
    (select min(vtime) from wallet_tasks where state = 'delayed' and run_at < 'infinity'),
    0) as vtime;
comment on view queue_front is
    'The virtual time from which a batch takes turns with those that are waiting: the head of the ready '
    'queue, of the chains that are being worked on before those that are paused. With nothing ready it is '
    'where the last claims were, ahead of nobody.';
