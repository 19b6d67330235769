-- bench_data/any_result
select exists (select from latest_results) as "any!"
