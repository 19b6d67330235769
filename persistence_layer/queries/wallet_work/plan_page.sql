-- wallet_work/plan_page: $1 task, $2 number
select payload from wallet_plan_pages where task = $1 and no = $2
