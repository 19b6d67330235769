-- processes/list: $1 how old a report may be
select id, role, host, pid, version, started_at, seen_at, slots, slots_in_use, wallets, providers,
    gates, redis,
    (extract(epoch from clock_timestamp() - seen_at) * 1000)::bigint as "age_ms!"
from processes
where seen_at > clock_timestamp() - $1::interval
order by started_at, id
