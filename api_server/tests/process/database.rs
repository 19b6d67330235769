//! `db` and `seed-bench`, as an operator runs them.

use persistence_layer::test_util::TestDatabase;
use serde_json::Value;

use crate::support::{program, run, text};

/// Exit code, stdout and stderr.
fn on(database: &TestDatabase, arguments: &[&str]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    let done = run(command.env("DATABASE_URL", database.url()).args(arguments), "");
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_results_are_of_the_size_asked_for_and_never_stand_among_others_unasked() {
    let database = TestDatabase::empty(2).await;
    let (code, out, err) = on(&database, &["seed-bench", "--rows", "1234"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("stored 1234 made-up newest results"), "{out}");
    let counted = "select count(*) from latest_results";
    assert_eq!(database.number(counted).await, 1234);
    assert_eq!(
        database.number("select wallets from pnl_summary_stats where scope = 'all'").await,
        1234
    );
    let chains = "select count(distinct (chain, batch_id)) from latest_results";
    assert_eq!(database.number(chains).await, 4);

    let (code, _, err) = on(&database, &["seed-bench", "--rows", "10"]);
    assert_eq!(code, 1);
    assert!(err.contains("--force"), "{err}");
    assert_eq!(database.number(counted).await, 1234);
    let (code, out, err) = on(&database, &["seed-bench", "--rows", "2000", "--force"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("stored 766 ") && out.contains("(1234 were there)"), "{out}");
    assert_eq!(database.number(counted).await, 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_shows_the_tables_and_what_needs_a_human() {
    let database = TestDatabase::create().await;
    on(&database, &["seed-bench", "--rows", "500"]);
    let (code, out, err) = on(&database, &["db", "report"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.starts_with("ok: nothing needs a human\n"), "{out}");
    assert!(out.contains("wallet_latest") && out.contains("raw_transactions_base"), "{out}");

    database
        .execute("update pg_index set indisvalid = false where indexrelid = 'wallet_latest_trades'::regclass")
        .await;
    database.execute("drop table raw_transactions_base").await;
    let (code, out, err) = on(&database, &["db", "report", "--format", "json"]);
    assert_eq!(code, 1, "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let attention = report["attention"].to_string();
    assert!(attention.contains("wallet_latest_trades is not valid"), "{attention}");
    assert!(attention.contains("no partition for base"), "{attention}");
    let sections = report["sections"].as_object().unwrap();
    for name in [
        "tables",
        "bloat",
        "unused_indexes",
        "missing_indexes",
        "invalid_indexes",
        "partitions",
        "sessions",
        "replication",
        "locks",
        "operators",
        "slow_statements",
    ] {
        assert!(sections.contains_key(name), "{name}");
    }
    assert_eq!(sections["invalid_indexes"][0]["index"], "wallet_latest_trades");
}

#[tokio::test(flavor = "multi_thread")]
async fn maintenance_says_what_it_would_do_and_does_it() {
    let database = TestDatabase::create().await;
    on(&database, &["seed-bench", "--rows", "500"]);
    database
        .execute("update pg_index set indisvalid = false where indexrelid = 'wallet_latest_trades'::regclass")
        .await;
    database.execute("delete from pnl_summary_stats").await;
    let broken = "select count(*) from pg_index where not indisvalid";
    let figures = "select count(*) from pnl_summary_stats";
    let (code, out, err) = on(&database, &["db", "maintain", "--dry-run"]);
    assert_eq!(code, 0, "{err}");
    for step in
        ["reindex index concurrently", "vacuum (analyze) public.wallet_latest", "retention:"]
    {
        assert!(out.contains(&format!("would do: {step}")), "{out}");
    }
    assert_eq!((database.number(broken).await, database.number(figures).await), (1, 0));

    let (code, out, err) = on(&database, &["db", "maintain"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!((database.number(broken).await, database.number(figures).await), (0, 5));
    let vacuumed = "select count(*) from pg_stat_user_tables where relname = 'wallet_latest' and vacuum_count > 0";
    assert_eq!(database.number(vacuumed).await, 1, "{err}");
    assert_eq!(on(&database, &["db", "report"]).0, 0);
}
