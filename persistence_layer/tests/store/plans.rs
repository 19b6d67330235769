//! The plans of the statements that every wallet pays, on a long queue.

use persistence_layer::batches;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, Lease, WorkerId};
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::support::{LONG, finished};

/// Tasks in the queue, a tenth of them in each of ten batches; `QUEUE_PLAN_TASKS` sets it.
const TASKS: u32 = 100_000;

/// Six batches ready on three chains, one delayed for an hour, one without end; of the last two most
/// tasks are over and some run.
fn fill(tasks: u32) -> String {
    let per_batch = tasks / 10;
    format!(
        "insert into batches (id, chain, request, trace_id, total)
         select lpad(to_hex(n), 32, '0')::uuid,
             (array['solana', 'ethereum', 'base'])[n % 3 + 1], '{{}}',
             '0123456789abcdef0123456789abcdef', {per_batch}
         from generate_series(1, 10) n;
         insert into wallet_tasks (batch_id, chain, wallet, ordinal, vtime, state, run_at,
             wait_reason, finished_at, lease_until, worker, fence)
         select b.id, b.chain, 'wallet' || (n * 7919 % 1000003), n, n,
             case when b.no <= 6 then 'queued' when b.no <= 8 then 'delayed'
                 when n < 50 then 'running' else 'done' end,
             case when b.no = 7 then now() + interval '1 hour' when b.no = 8 then 'infinity' end,
             case when b.no = 7 then 'backoff' end,
             case when b.no > 8 and n >= 50 then now() end,
             case when b.no > 8 and n < 50 then now() + interval '1 hour' end,
             case when b.no > 8 and n < 50 then 'somebody' end,
             1
         from (select id, chain, row_number() over (order by id) as no from batches) b
         cross join generate_series(0, {per_batch} - 1) n"
    )
}

/// The plan of a statement of ours, with its parameters written in.
async fn plan(connection: &mut PgConnection, sql: &str, parameters: &[&str]) -> String {
    let mut text = sql.to_owned();
    for (n, value) in parameters.iter().enumerate().rev() {
        text = text.replace(&format!("${}", n + 1), value);
    }
    // Shown like the driver's: the names of columns carry marks for the checker.
    let text = format!("explain (analyze, buffers, costs off, timing off, summary off) {text}");
    let mut tx = sqlx::Connection::begin(connection).await.unwrap();
    // As every transaction of the store begins.
    tx.execute("set local jit = off; set local enable_bitmapscan = off").await.unwrap();
    let lines: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(text)).fetch_all(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    lines.join("\n")
}

/// The queue is reached by indexes alone, and few pages are read.
fn assert_cheap(name: &str, plan: &str) {
    assert!(!plan.contains("Seq Scan on wallet_tasks"), "{name}:\n{plan}");
    let first = plan.lines().find(|line| line.contains("Buffers: shared")).unwrap();
    let pages: u64 = first
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("hit=").or(word.strip_prefix("read=")))
        .map(|count| count.parse::<u64>().unwrap())
        .sum();
    assert!(pages < 2_000, "{name} reads {pages} pages:\n{plan}");
    let in_vain = plan
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Rows Removed by Filter: "))
        .map(|rows| rows.parse::<u64>().unwrap())
        .max();
    assert!(in_vain.is_none_or(|rows| rows < 500), "{name} reads rows in vain:\n{plan}");
}

/// The parameters with which these tasks end together.
fn ends(held: &[Lease]) -> Vec<String> {
    let column = |value: &dyn Fn(&Lease) -> String| {
        format!("array[{}]", held.iter().map(value).collect::<Vec<_>>().join(", "))
    };
    let same = |value: &'static str| column(&|_| value.to_owned());
    let mut parameters = vec![
        format!("'{}'", held[0].batch),
        column(&|lease| lease.task_id.to_string()),
        column(&|lease| lease.fence.to_string()),
        same("'{}'"),
        same("'{}'"),
        same("true"),
        same("1"),
    ];
    parameters.extend(["'1'", "'1'", "'1'", "'1'", "1", "1", "'1'", "true"].map(same));
    parameters
}

#[tokio::test]
async fn on_a_long_queue_a_claim_and_an_end_read_a_few_pages_whatever_the_statistics_say() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut connection = database.connection().await;
    // Statistics of an empty table, as after a burst of submissions.
    connection.execute("alter table wallet_tasks set (autovacuum_enabled = false)").await.unwrap();
    connection.execute("analyze wallet_tasks").await.unwrap();
    let tasks = std::env::var("QUEUE_PLAN_TASKS").map_or(TASKS, |text| text.parse().unwrap());
    connection.execute(AssertSqlSafe(fill(tasks))).await.unwrap();
    let mut shown = Vec::new();
    // Under way while the plans are looked at: as many as end together.
    let under_way = wallet_tasks::claim(store, &WorkerId::generate(), 40, LONG, &[]).await.unwrap();
    let ends = ends(&under_way);
    for statistics in ["stale", "fresh"] {
        if statistics == "fresh" {
            connection.execute("analyze").await.unwrap();
        }
        let chains = "array['solana', 'ethereum', 'base', 'binance-smart-chain']";
        let batch = "'00000000-0000-0000-0000-000000000001'";
        for (name, sql, parameters) in [
            (
                "claim",
                include_str!("../../queries/wallet_tasks/claim.sql"),
                vec!["'me'", "5", "interval '30 s'", chains],
            ),
            (
                "finish",
                include_str!("../../queries/wallet_tasks/finish.sql"),
                ends.iter().map(String::as_str).collect(),
            ),
            ("promote", include_str!("../../queries/wallet_tasks/promote.sql"), vec!["200"]),
            ("expired", include_str!("../../queries/wallet_tasks/expired.sql"), vec!["200"]),
            ("others_wait", include_str!("../../queries/batches/others_wait.sql"), vec![batch]),
            (
                "oldest_waiting",
                include_str!("../../queries/queue_report/oldest_waiting.sql"),
                vec![],
            ),
            ("running", include_str!("../../queries/queue_report/running.sql"), vec!["50"]),
            ("unsettled", include_str!("../../queries/batches/unsettled.sql"), vec!["20"]),
        ] {
            let plan = plan(&mut connection, sql, &parameters).await;
            assert_cheap(&format!("{name} with {statistics} statistics"), &plan);
            shown.push(format!("-- {name}, {statistics} statistics\n{plan}"));
        }
        // The real thing, through the store: claims and whole ends.
        let worker = WorkerId::generate();
        for _ in 0..20 {
            let held = wallet_tasks::claim(store, &worker, 5, LONG, &[]).await.unwrap();
            assert_eq!(held.len(), 5);
            for lease in &held {
                wallet_tasks::finish(store, lease, finished()).await.unwrap();
            }
        }
    }
    if let Ok(file) = std::env::var("SHOW_PLANS") {
        std::fs::write(file, shown.join("\n\n")).unwrap();
    }
    let id = "00000000-0000-0000-0000-000000000001".parse().unwrap();
    let batch = batches::get(store, id).await.unwrap().unwrap();
    let counts = batch.counts;
    let all = counts.queued + counts.running + counts.done;
    assert_eq!((batch.total, all), (tasks / 10, tasks / 10));
}
