//! What the steps of a retention run cost, and what an error in one of them stops.

use std::time::Duration;

use persistence_layer::processes;
use persistence_layer::retention::{Kind, Removed, RetentionRules, Run, prune};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::WorkerId;

use crate::support::{claim, finish, report, submit};

const DAY: Duration = Duration::from_secs(86_400);

/// Chain data for 10 days, three rows at a time.
fn rules() -> RetentionRules {
    RetentionRules {
        raw_transactions: Some(DAY * 10),
        results: None,
        rounds: DAY,
        replaced_ledgers: Duration::ZERO,
        idempotency: DAY,
        rows_per_step: 3,
    }
}

const OLD_TRANSACTIONS: &str =
    "insert into raw_transactions (chain, tx_id, block, size, payload, stored_at)
     select 'solana', 'tx' || n, n, 1, '', now() - interval '11 days' from generate_series(1, 30) n";

#[tokio::test]
async fn the_attempts_of_open_batches_are_read_once_per_kind_and_not_in_every_step() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..10).await;
    let worker = WorkerId::generate();
    processes::publish(store, &report(worker.as_str())).await.unwrap();
    let leases = claim(store, &worker, 8).await;
    for lease in &leases[1..] {
        finish(store, lease).await;
    }
    database.execute(OLD_TRANSACTIONS).await;
    database.execute("update batches set created_at = now() - interval '20 minutes'").await;
    database.execute("alter table wallet_attempts rename to kept_attempts").await;
    database.execute("create sequence attempts_read").await;
    database
        .execute(
            "create view wallet_attempts as
             select * from kept_attempts where nextval('attempts_read') > 0",
        )
        .await;
    let mut removed = Removed::default();
    let run = prune(store, &rules(), Duration::ZERO, |kind, rows| removed.add(kind, rows)).await;
    assert_eq!(run.unwrap(), Run::Finished);
    assert_eq!(removed.of(Kind::RawTransactions), 30, "in ten steps");
    let read = database.number("select last_value from attempts_read").await;
    assert_eq!(read, 16, "eight attempts for transactions and again for lists");
}

#[tokio::test]
async fn a_kind_that_cannot_be_removed_does_not_stand_in_the_way_of_the_others() {
    let database = TestDatabase::create().await;
    let store = database.store();
    database.execute(OLD_TRANSACTIONS).await;
    processes::publish(store, &report("gone")).await.unwrap();
    database.execute("update processes set seen_at = now() - interval '2 days'").await;
    database
        .execute(
            "create function refuse() returns trigger language plpgsql as
             'begin raise exception ''not now''; end'",
        )
        .await;
    database
        .execute(
            "create trigger refuse before delete on raw_transactions
             for each row execute function refuse()",
        )
        .await;
    let mut removed = Removed::default();
    let run = prune(store, &rules(), Duration::ZERO, |kind, rows| removed.add(kind, rows)).await;
    assert!(run.is_err(), "{run:?}");
    assert_eq!(removed.of(Kind::ProcessReports), 1, "it comes later");
    // It is not over: the next look begins anew, whatever the pause.
    database.execute("drop trigger refuse on raw_transactions").await;
    let run = prune(store, &rules(), DAY, |_, _| {}).await;
    assert_eq!(run.unwrap(), Run::Finished);
    assert_eq!(database.number("select count(*) from raw_transactions").await, 0);
}

#[tokio::test]
async fn results_that_were_replaced_stay_for_the_walks_that_may_show_them() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for wallet in 0..10 {
        for _ in 0..2 {
            submit(store, [wallet]).await;
            finish(store, &claim(store, &WorkerId::generate(), 1).await[0]).await;
        }
    }
    let kept = async || database.number("select count(*) from replaced_results").await;
    assert_eq!(kept().await, 10);
    let older = "update replaced_results set replaced_at = replaced_at - interval '3 hours'
        where wallet < 'wallet7'";
    database.execute(older).await;
    let mut removed = Removed::default();
    let run = prune(store, &rules(), Duration::ZERO, |kind, rows| removed.add(kind, rows)).await;
    assert_eq!(
        (run.unwrap(), removed.of(Kind::ReplacedResults), kept().await),
        (Run::Finished, 7, 3)
    );
    assert_eq!(database.number("select count(*) from latest_results").await, 10);
}
