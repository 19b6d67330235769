-- bench_data/any_result
-- Jobs without results are somebody's, too.
select exists (select from latest_results)
    or exists (select from batches where request ->> 'synthetic' is null) as "any!"
