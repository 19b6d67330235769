//! Leases: heartbeat, fence, late writers, the sweep.

use std::time::Duration;

use futures::future::join_all;
use persistence_layer::StoreError;
use persistence_layer::batches::BatchState;
use persistence_layer::chain_data::{ScanProgress, StoredSnapshot};
use persistence_layer::chain_data::{
    SignaturePage, put_signature_page, put_snapshot, put_transactions,
};
use persistence_layer::ledgers::append_chunk;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, Lease, Renewal, Swept, WorkerId, heartbeat, sweep};
use pnl_core::{Chain, RawTransaction, TxId};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    LONG, OVER, batch, chunk_of, claim_and_die, claim_one, everybodys, failed, finish, finished,
    submit, wallet,
};

const MANY: u32 = 20;

fn lost<T: std::fmt::Debug>(outcome: Result<T, StoreError>, lease: &Lease) {
    match outcome {
        Err(StoreError::LeaseLost { task }) => assert_eq!(task, lease.task_id),
        other => panic!("the lease is lost, but: {other:?}"),
    }
}

fn raw(id: &str) -> RawTransaction {
    RawTransaction {
        chain: Chain::Solana,
        tx_id: TxId::new(id),
        block: 5,
        block_time: None,
        json: b"{}".to_vec(),
    }
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_stores_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    let late = claim_and_die(store).await;
    assert_eq!(sweep(store, MANY).await.unwrap().requeued, 1);
    let ledger = Uuid::now_v7();
    let page = ScanProgress::Finished { covered_until: None, covered_slot: 9 };
    let nothing = SignaturePage { rows: Vec::new(), goes_on: false };
    let snapshot = StoredSnapshot { pin_slot: 1, node_slot: 2, balances: json!([]) };
    // Both while the task waits and while somebody else holds it.
    let mut successor = None;
    for _ in 0..2 {
        lost(put_transactions(store, &late, &[raw("a")]).await, &late);
        lost(put_signature_page(store, &late, &wallet(0), &nothing, &page).await, &late);
        lost(put_snapshot(store, &late, &snapshot).await.map(drop), &late);
        lost(append_chunk(store, &late, ledger, 0, &chunk_of(1, b"{}\n")).await, &late);
        lost(wallet_tasks::finish(store, &late, finished()).await, &late);
        lost(wallet_tasks::transition(store, &late, &failed()).await, &late);
        let beat = heartbeat(store, &late.worker, &[(late.task_id, late.fence)], LONG).await;
        assert_eq!(beat.unwrap().lost, [late.task_id]);
        if successor.is_none() {
            successor = Some(claim_one(store).await);
        }
    }
    let mut connection = database.connection().await;
    let stored: i64 = sqlx::query_scalar(
        "select (select count(*) from raw_transactions) + (select count(*) from address_scans)
            + (select count(*) from balance_snapshots) + (select count(*) from ledgers)
            + (select count(*) from pnl_results)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(stored, 0);
    finish(store, &successor.unwrap()).await;
    assert_eq!(batch(store, id).await.state, BatchState::Completed);
}

#[tokio::test]
async fn a_heartbeat_keeps_the_lease() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let kept = claim_and_die(store).await;
    let dead = claim_and_die(store).await;
    let beat = heartbeat(store, &kept.worker, &[(kept.task_id, kept.fence)], LONG).await.unwrap();
    assert!(beat.lost.is_empty() && beat.cancelled.is_empty());
    assert_eq!(sweep(store, MANY).await.unwrap().requeued, 1);
    finish(store, &kept).await;
    assert_eq!(claim_one(store).await.task_id, dead.task_id);
    // Nothing held, nothing asked.
    assert!(heartbeat(store, &kept.worker, &[], LONG).await.unwrap().lost.is_empty());
}

#[tokio::test]
async fn a_task_that_is_written_to_keeps_no_other_lease_from_being_renewed() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let worker = WorkerId::generate();
    let both = wallet_tasks::claim(store, &worker, 2, OVER, &[]).await.unwrap();
    let held: Vec<(i64, i64)> = both.iter().map(|lease| (lease.task_id, lease.fence)).collect();
    let (busy, _) = held[0];
    let mut writer = database.connection().await;
    let mut write = sqlx::Connection::begin(&mut writer).await.unwrap();
    sqlx::query("select id from wallet_tasks where id = $1 for no key update")
        .bind(busy)
        .execute(&mut *write)
        .await
        .unwrap();
    let beat = heartbeat(store, &worker, &held, LONG).await.unwrap();
    assert_eq!((beat.lost, beat.not_renewed), (vec![], vec![busy]));
    // Its lease is over, but a write under it is not: it is taken away by a later sweep.
    assert_eq!(sweep(store, MANY).await.unwrap(), Swept::default());
    write.rollback().await.unwrap();
    assert_eq!(sweep(store, MANY).await.unwrap().requeued, 1);
    assert_eq!(claim_one(store).await.task_id, busy);
}

/// However busily it is written to: whoever waits for a row has it before those who come later.
#[tokio::test]
async fn the_lease_of_a_task_that_is_written_to_is_renewed_at_its_turn() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..2).await;
    let worker = WorkerId::generate();
    let both = wallet_tasks::claim(store, &worker, 2, OVER, &[]).await.unwrap();
    let lock = "select id from wallet_tasks where id = $1 for no key update";
    let mut writer = database.connection().await;
    let mut write = sqlx::Connection::begin(&mut writer).await.unwrap();
    sqlx::query(lock).bind(both[0].task_id).execute(&mut *write).await.unwrap();
    let key = (both[0].task_id, both[0].fence);
    let soon = Duration::from_millis(50);
    let late = wallet_tasks::renew(store, &worker, key, LONG, soon).await.unwrap();
    assert_eq!(late, Renewal::StillWrittenTo);
    let renewing = {
        let (store, worker) = (store.clone(), worker.clone());
        tokio::spawn(async move { wallet_tasks::renew(&store, &worker, key, LONG, LONG).await })
    };
    let waits = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let mut observer = database.connection().await;
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut observer).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    write.commit().await.unwrap();
    assert_eq!(renewing.await.unwrap().unwrap(), Renewal::Renewed);
    // The other one, which nobody renewed, is taken away.
    assert_eq!(sweep(store, MANY).await.unwrap().requeued, 1);
    let lost = (both[1].task_id, both[1].fence);
    let renewed = wallet_tasks::renew(store, &worker, lost, LONG, LONG).await.unwrap();
    assert_eq!(renewed, Renewal::Lost);
}

#[tokio::test]
async fn a_heartbeat_extends_only_what_the_worker_holds() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_and_die(store).await;
    let held = [(lease.task_id, lease.fence)];
    let stranger = WorkerId::generate();
    assert_eq!(heartbeat(store, &stranger, &held, LONG).await.unwrap().lost, [lease.task_id]);
    let older = [(lease.task_id, lease.fence - 1)];
    assert_eq!(heartbeat(store, &lease.worker, &older, LONG).await.unwrap().lost, [lease.task_id]);
    assert_eq!(sweep(store, MANY).await.unwrap().requeued, 1);
}

#[tokio::test]
async fn a_lease_that_has_not_run_out_is_left_alone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let lease = claim_one(store).await;
    assert_eq!(sweep(store, MANY).await.unwrap(), Swept::default());
    finish(store, &lease).await;
}

#[tokio::test]
async fn sweeps_at_once_take_each_task_away_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..30).await;
    let worker = WorkerId::generate();
    wallet_tasks::claim(store, &worker, 30, OVER, &[]).await.unwrap();
    let swept = join_all((0..6).map(|_| sweep(store, MANY))).await;
    let requeued: u32 = swept.into_iter().map(|swept| swept.unwrap().requeued).sum();
    assert_eq!(requeued, 30);
    let mut connection = database.connection().await;
    let (takeovers, closed): (i64, i64) = sqlx::query_as(
        "select (select sum(takeovers) from wallet_tasks),
            (select count(*) from wallet_attempts where outcome = 'lease_expired')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!((takeovers, closed), (30, 30));
}

#[tokio::test]
async fn a_wallet_whose_holders_keep_dying_is_parked() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    for takeovers in 0..2 {
        assert_eq!(claim_and_die(store).await.takeovers, takeovers);
        assert_eq!(sweep(store, 3).await.unwrap().requeued, 1);
    }
    assert_eq!(claim_and_die(store).await.takeovers, 2);
    assert_eq!(sweep(store, 3).await.unwrap().parked, 1);
    let ended = batch(store, id).await;
    assert_eq!((ended.state, ended.counts.failed), (BatchState::Failed, 1));
    let row =
        persistence_layer::results::page(store, &everybodys(id), None, 10).await.unwrap().remove(0);
    let error = row.error.unwrap();
    assert_eq!(error.code, "worker-crashed");
    assert!(error.retryable);
}

#[tokio::test]
async fn a_stored_row_between_two_deaths_starts_the_count_again() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    for _ in 0..2 {
        claim_and_die(store).await;
        sweep(store, 3).await.unwrap();
    }
    let progressing = claim_and_die(store).await;
    assert_eq!(put_transactions(store, &progressing, &[raw("a")]).await.unwrap(), 1);
    let swept = sweep(store, 3).await.unwrap();
    assert_eq!((swept.requeued, swept.parked), (1, 0));
    let next = claim_and_die(store).await;
    assert_eq!(next.takeovers, 0);
    // What is stored already is no progress.
    assert_eq!(put_transactions(store, &next, &[raw("a")]).await.unwrap(), 0);
    sweep(store, 3).await.unwrap();
    assert_eq!(claim_one(store).await.takeovers, 1);
}

#[tokio::test]
async fn a_lease_is_measured_on_the_clock_of_the_database() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..1).await;
    let half_a_second = Duration::from_millis(500);
    wallet_tasks::claim(store, &WorkerId::generate(), 1, half_a_second, &[]).await.unwrap();
    assert_eq!(sweep(store, MANY).await.unwrap().requeued, 0);
    let mut connection = database.connection().await;
    let seconds: f64 = sqlx::query_scalar(
        "select extract(epoch from lease_until - now())::float8 from wallet_tasks",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!((-10.0..=0.5).contains(&seconds), "{seconds}");
    tokio::time::sleep(half_a_second).await;
    assert_eq!(sweep(store, MANY).await.unwrap().requeued, 1);
}
