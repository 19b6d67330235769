-- bench_data/insert_results: $1 batch, $2 chain, $3 first and $4 last number of a wallet
-- The same numbers give the same rows but for their batch and time. Addresses are of the chain's form: 44 base58 digits
-- from 5 on are 32 bytes. A tenth of the wallets has no profit at all, and many have equal figures, as in life.
insert into latest_results (
    chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd, unrealized_gain_usd, fees_usd, trades,
    transactions, token_win_rate, complete, analyzed_at, tenant)
select $2::text,
    case $2::text
        when 'solana' then
            '5' || left(translate(md5('a' || n) || md5('b' || n), '0', 'g'), 43)
        else '0x' || left(md5($2::text || n) || md5('c' || n), 40)
    end,
    $1::uuid, n, realized + unrealized, realized, unrealized, draw % 9973 / 100.0, draw % 400, draw % 5000,
    case when draw % 10 > 0 then draw % 101 / 100.0 end,
    draw % 50 > 0,
    clock_timestamp() - n * interval '0.37 s',
    'default'
from generate_series($3::bigint, $4::bigint) as n
cross join lateral (
    select ('x' || left(md5('d' || n), 12))::bit(48)::bigint as draw
) as drawn
cross join lateral (
    select case when draw % 10 > 0 then (draw % 2000003 - 900000) / 7.0 else 0 end as realized,
        case when draw % 10 > 0 then (draw / 1000 % 20011 - 10000) / 13.0 else 0 end as unrealized
) as gains
on conflict (tenant, chain, wallet) do nothing
