-- wallet_work/plan: $1 task, $2 pin block, $3 made by
select pages, head from wallet_plans where task = $1 and pin_block = $2 and made_by = $3
