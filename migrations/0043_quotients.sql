-- How averages and rates are rounded, for all statements that give them.
set local lock_timeout = '10s';

create function quotient_of_18_places(dividend numeric, divisor numeric) returns numeric
language sql immutable strict parallel safe
as $$
    -- q is the quotient rounded down in units of the 18th place, r what it leaves; all of it exact, since numeric
    -- knows no float.
    select sign(dividend) * 0.000000000000000001 * (q + case
        when 2 * r > divisor or (2 * r = divisor and q % 2 = 1) then 1
        else 0 end)
    from (
        select div(units, divisor) as q, units - div(units, divisor) * divisor as r
        from (select abs(dividend) * 1000000000000000000 as units) as scaled
    ) as divided
$$;
comment on function quotient_of_18_places is 'Rounded at 18 places, half to even. The divisor is above zero.';
