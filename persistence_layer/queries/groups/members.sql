-- groups/members: $1 batch. Its wallets and how they stand, by address; not the group itself.
select wallet, state, error ->> 'code' as error_code
from wallet_tasks
where batch_id = $1 and wallet <> 'group:' || $1::uuid
order by wallet collate "C"
