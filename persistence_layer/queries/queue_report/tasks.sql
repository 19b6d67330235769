-- queue_report/tasks: open tasks by chain, state and why they wait. Reads every open task.
select chain, state,
    case
        when run_at = 'infinity' and wallet = 'group:' || batch_id then 'wallets'
        when run_at = 'infinity' then 'admission'
        else wait_reason
    end as "waits_for?",
    count(*) as "tasks!"
from wallet_tasks
where finished_at is null
group by 1, 2, 3
order by 1, 2, 3
