-- Where tasks join the queue, said once, and comments that have become outdated.
set local lock_timeout = '10s';

create view queue_front as
select coalesce(
    (select vtime from ready_heads order by prio, vtime, id limit 1),
    (select max(vtime) from wallet_tasks where state = 'running'),
    (select min(vtime) from wallet_tasks where state = 'delayed' and run_at < 'infinity'),
    0) as vtime;
comment on view queue_front is
    'The virtual time from which a batch takes turns with those that are waiting: the head of the ready '
    'queue. With nothing ready it is where the last claims were, ahead of nobody.';

comment on column wallet_looks.made_by is
    'Versions, and a hash of the rules, price sources and bounds that it depends on; another one looks again.';
comment on column wallet_plans.made_by is 'As in wallet_looks; another one makes a plan of its own.';
comment on column ledger_checkpoints.made_by is 'As in wallet_looks; another one begins the ledger anew.';
