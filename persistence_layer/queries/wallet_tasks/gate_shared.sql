-- wallet_tasks/gate_shared: $1 batch. Waits for whoever has the gate of the batch alone; then whether tasks
-- of the batch wait.
select pass_gate_shared($1) as "others_wait!"
