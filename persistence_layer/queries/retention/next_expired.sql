-- retention/next_expired: a batch whose removal is not finished. Its rows go some time after it went
-- for clients: an answer that streams its results page by page has seen it and reads to the end.
select id from expired_batches
where not removed and expired_at < clock_timestamp() - interval '10 minutes'
order by id
limit 1
