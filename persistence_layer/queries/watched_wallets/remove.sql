-- watched_wallets/remove: $1 tenant, $2 chain, $3 wallet. A round under way ends as any batch does.
delete from watched_wallets where tenant = $1 and chain = $2 and wallet = $3
