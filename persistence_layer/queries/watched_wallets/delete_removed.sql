-- watched_wallets/delete_removed: $1 tenant, $2 chain, $3 wallet. A row whose round is under way goes when that ends:
-- until then the wallet keeps its place among those under way, also when it is added again.
delete from watched_wallets
where tenant = $1 and chain = $2 and wallet = $3 and removed_at is not null and batch_id is null
