//! How long statements may take, by what they are for.

use service_runtime::config::Role;

use crate::support::{
    Plan, TestApp, demo_wallets, eventually, hold_results, release, waiting_for_locks,
};

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
    let holder = hold_results(&app).await;
    let both = async {
        eventually("the export waits", || async { waiting_for_locks(&app).await == 1 }).await;
        other.get(&results).await.problem(503, "database-timeout");
        assert_eq!(waiting_for_locks(&app).await, 1, "the export began before, and waits on");
        release(&app).await;
    };
    let (file, ()) = tokio::join!(other.get(&export), both);
    assert_eq!((file.status.as_u16(), &file.text), (200, &whole.text));
    assert_eq!(other.get(&results).await.status, 200);
    assert!(holder.await.is_err(), "it was ended");
}
