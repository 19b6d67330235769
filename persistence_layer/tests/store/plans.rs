//! The plans of the statements that every wallet pays, on a long queue.

use persistence_layer::batches;
use persistence_layer::test_util::{Plans, TestDatabase};
use persistence_layer::wallet_tasks::{self, Lease, WorkerId};
use pnl_core::Chain;
use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::support::{LONG, everybodys, finished};

/// Tasks in the queue, a tenth of them in each of ten batches; `QUEUE_PLAN_TASKS` sets it.
const TASKS: u32 = 100_000;

/// Tables that grow faster than their statistics.
const GROWN: [&str; 4] = ["wallet_tasks", "wallet_attempts", "ledgers", "address_scans"];

/// What a queue leaves: ledgers and lists of wallets of one chain, an attempt of each task that was
/// claimed. Six batches ready on three chains, one delayed for an hour, one without end; of the last two most
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
         cross join generate_series(0, {per_batch} - 1) n;
         insert into wallet_attempts (task, fence, worker, ended, outcome)
         select id, 1, 'somebody', finished_at, case when finished_at is not null then 'done' end
         from wallet_tasks where state in ('running', 'done');
         insert into ledgers (chain, ledger_id, wallet, fence, state, pin_block, pin_block_time,
             input_hash, price_set_hash, coverage, context, chunks, events)
         select 'solana', md5(n::text)::uuid, 'wallet' || (n * 7919 % 1000003), 1, 'current', 100, 1,
             'hash', 'hash', '{{}}', '{{}}', 0, 0
         from generate_series(0, {per_batch} - 1) n;
         insert into ledgers (chain, ledger_id, wallet, fence)
         select 'solana', md5('b' || n)::uuid, 'wallet' || (n * 7919 % 1000003), 1
         from generate_series(0, {per_batch} - 1) n;
         insert into address_scans (chain, address, covered_slot, pass, next_pos)
         select 'solana', 'wallet' || (n * 7919 % 1000003), 1, 1, 0
         from generate_series(0, {per_batch} - 1) n"
    )
}

/// A statement whose plan is looked at.
struct Statement {
    name: &'static str,
    sql: &'static str,
    plans: Plans,
}

macro_rules! statements {
    ($($name:literal $plans:ident,)+) => {
        [$(Statement {
            name: $name,
            sql: include_str!(concat!("../../queries/", $name, ".sql")),
            plans: Plans::$plans,
        },)+]
    };
}

const STATEMENTS: [Statement; 14] = statements! {
    "wallet_tasks/claim" ByKey,
    "wallet_tasks/promote" ByKey,
    "batches/start" ByKey,
    "wallet_tasks/heartbeat" ByKey,
    "wallet_tasks/finish" ByKey,
    "address_scans/get_many" ByKey,
    "address_scans/cover" ByKey,
    "address_scans/mark_used" ByKey,
    "wallet_tasks/expired" Free,
    "groups/wake" Free,
    "wallet_tasks/gate_shared" Free,
    "batches/unsettled" Free,
    "queue_report/oldest_waiting" Free,
    "queue_report/running" Free,
};

/// The parameters of a statement, as text.
fn parameters(name: &str, held: &[Lease]) -> Vec<String> {
    let texts = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    match name {
        "wallet_tasks/claim" => {
            texts(&["'me'", "5", "'30 s'", "'{solana,ethereum,base,binance-smart-chain}'"])
        }
        "wallet_tasks/heartbeat" => {
            vec!["'me'".to_owned(), tasks(held), fences(held), "'30 s'".to_owned()]
        }
        "wallet_tasks/finish" => ends(held),
        "address_scans/get_many" | "address_scans/mark_used" => {
            vec!["'solana'".to_owned(), wallets(held)]
        }
        "address_scans/cover" => lists(held),
        "batches/start" => vec![column(&held[..1], |lease| lease.batch.to_string())],
        "wallet_tasks/gate_shared" | "groups/wake" => vec![format!("'{}'", held[0].batch)],
        "queue_report/oldest_waiting" => Vec::new(),
        _ => texts(&["50"]),
    }
}

/// A connection on which all statements are prepared, those that find their rows by key with their plans.
async fn prepared(database: &TestDatabase) -> PgConnection {
    let mut connection = database.connection().await;
    for Statement { name, sql, plans } in STATEMENTS {
        let begin = AssertSqlSafe(TestDatabase::begin_statement(plans));
        let mut tx = sqlx::Connection::begin_with(&mut connection, begin).await.unwrap();
        tx.execute(AssertSqlSafe(format!("prepare \"{name}\" as {sql}"))).await.unwrap();
        if plans == Plans::ByKey {
            let count = (1..).take_while(|n| sql.contains(&format!("${n}"))).count();
            let nulls = vec!["null"; count].join(", ");
            let explain = format!("explain execute \"{name}\" ({nulls})");
            tx.execute(AssertSqlSafe(explain)).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    connection
}

/// How a prepared statement is carried out; nothing of it stays.
async fn plan(connection: &mut PgConnection, statement: &Statement, held: &[Lease]) -> String {
    let parameters = parameters(statement.name, held).join(", ");
    let values = if parameters.is_empty() { parameters } else { format!("({parameters})") };
    let begin = AssertSqlSafe(TestDatabase::begin_statement(statement.plans));
    let mut tx = sqlx::Connection::begin_with(connection, begin).await.unwrap();
    let explain = format!(
        "explain (analyze, buffers, costs off, timing off, summary off) execute \"{}\"{values}",
        statement.name
    );
    let lines: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    lines.join("\n")
}

/// Tables are reached by indexes alone, and few pages are read.
fn assert_cheap(name: &str, plans: Plans, plan: &str) {
    for table in if plans == Plans::Free { &GROWN[..1] } else { &GROWN[..] } {
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{name}:\n{plan}");
    }
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

/// A parameter of many: one value for each of these tasks.
fn column(held: &[Lease], value: impl Fn(&Lease) -> String) -> String {
    let values: Vec<String> = held.iter().map(|lease| format!("\"{}\"", value(lease))).collect();
    format!("'{{{}}}'", values.join(","))
}

/// The parameters with which these tasks end together, with ledgers without events.
fn ends(held: &[Lease]) -> Vec<String> {
    let of_batch = [&format!("'{}'", held[0].batch), "false", "'solana'", "'channel'"];
    let mut parameters: Vec<String> = of_batch.iter().map(|&text| text.to_owned()).collect();
    parameters.extend([tasks(held), fences(held)]);
    let values = ["{}", "{}", "true", "1", "1", "1", "1", "1", "1", "1", "1", "true"];
    parameters.extend(values.map(|value| column(held, |_| value.to_owned())));
    parameters.push(wallets(held));
    parameters.push(column(held, |lease| format!("{:032x}", lease.task_id)));
    let values = ["200", "1", "hash", "hash", "{}", "{}", "0", "0"];
    parameters.extend(values.map(|value| column(held, |_| value.to_owned())));
    parameters.push("'default'".to_owned());
    parameters.push(column(held, |_| "false".to_owned()));
    parameters
}

fn tasks(held: &[Lease]) -> String {
    column(held, |lease| lease.task_id.to_string())
}

fn fences(held: &[Lease]) -> String {
    column(held, |lease| lease.fence.to_string())
}

fn wallets(held: &[Lease]) -> String {
    column(held, |lease| lease.wallet.address.to_string())
}

/// The parameters with which the empty lists of these tasks are stored.
fn lists(held: &[Lease]) -> Vec<String> {
    let mut parameters = vec!["'solana'".to_owned(), tasks(held), fences(held)];
    parameters.push(column(held, |lease| format!("new{}", lease.wallet)));
    parameters.extend(["newest", "1"].map(|value| column(held, |_| value.to_owned())));
    parameters.push(wallets(held));
    parameters.extend(["1", "1", "{}"].map(|value| column(held, |_| value.to_owned())));
    parameters.extend(["'{}'"; 6].map(str::to_owned));
    parameters.push(column(held, |_| "0".to_owned()));
    parameters
}

#[tokio::test]
async fn on_a_long_queue_a_claim_and_an_end_read_a_few_pages_whatever_the_statistics() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut connection = database.connection().await;
    // Statistics of an empty table, as after a burst of submissions.
    for table in GROWN {
        let statements =
            format!("alter table {table} set (autovacuum_enabled = false); analyze {table}");
        connection.execute(AssertSqlSafe(statements)).await.unwrap();
    }
    let early = prepared(&database).await;
    let total = std::env::var("QUEUE_PLAN_TASKS").map_or(TASKS, |text| text.parse().unwrap());
    connection.execute(AssertSqlSafe(fill(total))).await.unwrap();
    let mut shown = Vec::new();
    // Under way while the plans are looked at: as many as end together, all of one batch.
    let others = [Chain::Ethereum, Chain::Base];
    let mut held =
        wallet_tasks::claim(store, &WorkerId::generate(), 80, LONG, &others).await.unwrap();
    let batch = held[0].batch;
    held.retain(|lease| lease.batch == batch);
    held.truncate(40);
    assert_eq!(held.len(), 40);
    let mut early = Some(early);
    for made in ["on empty tables", "with stale statistics", "with fresh statistics"] {
        if made == "with fresh statistics" {
            connection.execute("analyze").await.unwrap();
        }
        let mut prepared = match early.take() {
            Some(early) => early,
            None => prepared(&database).await,
        };
        for statement in &STATEMENTS {
            let plan = plan(&mut prepared, statement, &held).await;
            assert_cheap(&format!("{}, planned {made},", statement.name), statement.plans, &plan);
            shown.push(format!("-- {}, planned {made}\n{plan}", statement.name));
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
    let batch = batches::get(store, &everybodys(id)).await.unwrap().unwrap();
    let counts = batch.counts;
    let all = counts.queued + counts.running + counts.done;
    assert_eq!((batch.total, all), (total / 10, total / 10));
}
