-- address_scans/mark_used: $1 chain, $2 addresses. To the day, so that retention leaves the lists alone.
-- What is removed, or marked by another one, while this waits is left as it is.
update address_scans s
set updated_at = clock_timestamp()
where s.chain = $1
  and s.address = any (array(
      select old.address from address_scans old
      where old.chain = $1
        and old.address = any ($2::text[])
        and old.updated_at < now() - interval '1 day'
      order by old.address
      for update))
