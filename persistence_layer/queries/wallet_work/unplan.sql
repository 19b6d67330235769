-- wallet_work/unplan: $1 task. Its plan is about to be replaced, and what was built on it is void.
with unplanned as (
    delete from wallet_plans where task = $1
)
delete from ledger_checkpoints where task = $1
