-- refused_tenants/note: $1 tenant; the admission row is locked
insert into refused_tenants (tenant, refused_at)
values ($1, clock_timestamp())
on conflict (tenant) do update set refused_at = excluded.refused_at
