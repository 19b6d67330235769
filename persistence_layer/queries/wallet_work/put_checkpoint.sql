-- wallet_work/put_checkpoint: $1 task, $2 chain, $3 ledger, $4 chunks, $5 events, $6 made by, $7 state
insert into ledger_checkpoints (task, chain, ledger_id, chunks, events, made_by, state)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (task) do update
set chain = excluded.chain, ledger_id = excluded.ledger_id, chunks = excluded.chunks,
    events = excluded.events, made_by = excluded.made_by, state = excluded.state
