-- pnl_results/insert: $1 chain, $2 batch, $3 wallet, $4 task, $5 fence, $6 report as text
insert into pnl_results (chain, batch_id, wallet, task, fence, report)
values ($1, $2, $3, $4, $5, $6::text::json)
