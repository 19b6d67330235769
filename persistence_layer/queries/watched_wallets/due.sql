-- watched_wallets/due: $1 chains that can be read, $2 most wallets of a chain under way. Those whose rounds begin now,
-- locked: of each chain as many as fit, of the tenant with the fewest under way first. Where not all that are due fit,
-- none begins before a quarter of the places is free: else a long list would come in batches of one or two. Each
-- tenant's own list is read from its end of the index, whatever else is due.
with recursive owners as (
    select allowed.chain, (
        select w.tenant from watched_wallets w
        where w.chain = allowed.chain and w.batch_id is null and w.parked_at is null
        order by w.tenant
        limit 1) as tenant
    from unnest($1::text[]) as allowed (chain)
    union all
    select o.chain, (
        select w.tenant from watched_wallets w
        where w.chain = o.chain and w.tenant > o.tenant and w.batch_id is null and w.parked_at is null
        order by w.tenant
        limit 1)
    from owners o
    where o.tenant is not null
),
under_way as materialized (
    select chain, tenant, count(*) as wallets
    from watched_wallets
    where batch_id is not null
    group by chain, tenant
),
chains as materialized (
    select allowed.chain, greatest($2::bigint - coalesce(sum(u.wallets), 0), 0)::bigint as places
    from unnest($1::text[]) as allowed (chain)
    left join under_way u on u.chain = allowed.chain
    group by allowed.chain
),
candidates as materialized (
    select o.chain, o.tenant, c.places, w.*
    from owners o
    join chains c on c.chain = o.chain
    cross join lateral (
        select w.id, w.next_at
        from watched_wallets w
        where w.chain = o.chain and w.tenant = o.tenant and w.batch_id is null and w.parked_at is null
          and w.next_at <= now()
        order by w.next_at, w.id
        -- One more tells that not all fit.
        limit c.places + 1
    ) as w
),
in_turn as (
    select c.*, coalesce(u.wallets, 0) + row_number() over (
        partition by c.chain, c.tenant order by c.next_at, c.id) as turn
    from candidates c
    left join under_way u on u.chain = c.chain and u.tenant = c.tenant
),
placed as (
    select i.*, row_number() over (partition by i.chain order by i.turn, i.next_at, i.id) as place,
        count(*) over (partition by i.chain) as due
    from in_turn i
),
chosen as materialized (
    select id, chain, place from placed
    where place <= places and places >= least(due, $2::bigint / 4)
)
-- Only these are locked, and looked at again when somebody has just changed them.
select w.id, w.tenant, w.chain, w.wallet, w.request::text as "request!"
from chosen c
join watched_wallets w on w.id = c.id
where w.batch_id is null and w.parked_at is null and w.next_at <= now()
order by c.place, c.chain
for update of w skip locked
