-- wallet_work/put_plan: $1 task, $2 pin block, $3 pages, $4 head as text, $5 made by
insert into wallet_plans (task, pin_block, pages, head, made_by)
values ($1, $2, $3, $4::text::json, $5)
on conflict (task) do update
set pin_block = excluded.pin_block, pages = excluded.pages, head = excluded.head,
    made_by = excluded.made_by
