-- watched_wallets/insert_batches: rounds that begin. Arrays: $1 ids, $2 tenants, $3 chains, $4 requests as text,
-- $5 numbers of wallets. Nobody has asked for them, so their own ids name their traces.
insert into batches (id, tenant, chain, request, total, trace_id, is_round)
select g.id, g.tenant, g.chain, g.request::json, g.total, replace(g.id::text, '-', ''), true
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[])
    as g (id, tenant, chain, request, total)
