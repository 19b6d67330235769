-- refused_tenants/forget: $1 tenant that got a place, $2 for how long one is kept; the admission row is locked.
-- With those whose time is over.
delete from refused_tenants where tenant = $1 or refused_at <= clock_timestamp() - $2::interval
