-- processes/publish: $1 id, $2 role, $3 host, $4 pid, $5 version, $6 started at, $7 slots, $8 in use,
-- $9 wallets, $10 providers, $11 gates (as text), $12 redis
insert into processes (
    id, role, host, pid, version, started_at, slots, slots_in_use, wallets, providers, gates, redis)
values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10::text::json, $11::text::json, $12)
on conflict (id) do update
set seen_at = clock_timestamp(),
    slots = excluded.slots,
    slots_in_use = excluded.slots_in_use,
    wallets = excluded.wallets,
    providers = excluded.providers,
    gates = excluded.gates,
    redis = excluded.redis
