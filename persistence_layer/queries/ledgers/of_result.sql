-- ledgers/of_result: $1 chain, $2 wallet, $3 tenant, $4 batch, $5 input hash, $6 price set hash,
-- $7 how old a superseded one may be.
-- The ledger that a result was computed from: the one that its task made, while that is kept, also of a part of the
-- history, else the current one when it is from the same. As ledgers/of_batch chooses.
select ledger_id as "ledger_id!", created_at as "created_at!",
    pin_block as "pin_block!", pin_block_time as "pin_block_time!",
    input_hash as "input_hash!", price_set_hash as "price_set_hash!",
    coverage as "coverage!", context as "context!", chunks as "chunks!", events as "events!"
from (
    select l.*, exists (
        select from pnl_results r
        where r.batch_id = $4 and r.chain = $1 and r.wallet = $2 and r.task = l.task
    ) as is_own
    from ledgers l
    where l.chain = $1 and l.wallet = $2 and l.tenant = $3 and l.state = 'current'
    union all
    select l.*, true from pnl_results r
    join ledgers l on l.task = r.task
    where r.batch_id = $4 and r.chain = $1 and r.wallet = $2
      and l.chain = $1 and l.wallet = $2 and l.tenant = $3 and l.state = 'superseded'
      and l.superseded_at > now() - $7::interval
) as l
where input_hash = $5 and price_set_hash = $6
order by is_own desc, superseded_at desc nulls first, ledger_id
limit 1
