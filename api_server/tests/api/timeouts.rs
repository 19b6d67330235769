//! How long statements may take, by what they are for.

use std::sync::Arc;

use service_runtime::config::Role;

use crate::support::{Plan, TestApp, demo_wallets, eventually};

#[tokio::test]
async fn a_slow_read_for_an_answer_is_cancelled_and_one_for_a_file_is_not() {
    let app = TestApp::start(Plan {
        role: Role::All,
        adjust: |settings| settings.database.request_statement_timeout_seconds = 1,
        ..Plan::default()
    })
    .await;
    let job = app.completed(&demo_wallets()).await;
    let results = format!("/api/pnl/batch/results/{job}");
    let export = format!("{results}/export.csv");
    let whole = app.get(&export).await;
    assert_eq!(whole.status, 200, "{}", whole.text);

    // Another service has measured no file yet, so it reads before it answers.
    let other = TestApp::beside(
        &app,
        Plan {
            adjust: |settings| settings.database.request_statement_timeout_seconds = 1,
            ..Plan::default()
        },
    )
    .await;
    let database = Arc::clone(&app.database);
    let locker = tokio::spawn(async move {
        let lock = "do $$ begin
            lock table pnl_results in access exclusive mode; perform pg_sleep(600);
        end $$";
        database.execute(lock).await
    });
    let locked = "select count(*) from pg_locks
        where relation = 'pnl_results'::regclass and mode = 'AccessExclusiveLock' and granted";
    eventually("the table is locked", || async { app.database.number(locked).await > 0 }).await;
    let waits = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let both = async {
        eventually("the export waits", || async { app.database.number(waits).await == 1 }).await;
        other.get(&results).await.problem(503, "database-timeout");
        assert_eq!(app.database.number(waits).await, 1, "the export began before, and waits on");
        let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
            where wait_event = 'PgSleep' and datname = current_database()";
        assert_eq!(app.database.number(end).await, 1);
    };
    let (file, ()) = tokio::join!(other.get(&export), both);
    assert_eq!((file.status.as_u16(), &file.text), (200, &whole.text));
    assert_eq!(other.get(&results).await.status, 200);
    assert!(locker.await.is_err(), "it was ended");
}
