//! What retention removes and what it leaves.

use std::time::Duration;

use futures::future::join_all;
use persistence_layer::Tenant;
use persistence_layer::batches::{self, Admission, BatchId, IdempotencyClaim, Retried};
use persistence_layer::chain_data::{
    self, ScanProgress, SignaturePage, SignatureRow, StoredSnapshot, missing_transactions,
    put_signature_page, put_snapshot, put_transactions, signatures,
};
use persistence_layer::ledgers;
use persistence_layer::processes;
use persistence_layer::results::{self, LatestList, LatestPlace, LatestSort};
use persistence_layer::retention::{Kind, Removed, RetentionRules, Run, prune};
use persistence_layer::test_util::{TestDatabase, retention_rules};
use persistence_layer::wallet_tasks::{self, Lease, WorkerId};
use pnl_core::{Address, Chain, Pin, RawTransaction, TxId};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::support::{
    PIN, batch, chunk_of, claim, claim_one, everybodys, failed, finish, finished, ledger_head,
    listed, new_batch, report, submit, transition, wait_for_a_lock, wallet,
};

const DAY: Duration = Duration::from_secs(86_400);

/// Three rows at a time.
pub fn rules() -> RetentionRules {
    retention_rules(3)
}

pub async fn prune_all(database: &TestDatabase, rules: &RetentionRules) -> Removed {
    let mut removed = Removed::default();
    let count = |kind, rows| removed.add(kind, rows);
    let run = prune(database.store(), rules, Duration::ZERO, count).await.unwrap();
    assert_eq!(run, Run::Finished, "nobody else prunes");
    removed
}

/// The run in which old jobs go for clients, and the one some minutes later in which their rows go.
async fn prune_jobs(database: &TestDatabase, rules: &RetentionRules) -> [Removed; 2] {
    let first = prune_all(database, rules).await;
    pass_readers_time(database).await;
    [first, prune_all(database, rules).await]
}

/// Makes tombstones so old that no answer is still being written from what is behind them.
pub async fn pass_readers_time(database: &TestDatabase) {
    let older = "update expired_batches set expired_at = expired_at - interval '10 minutes'";
    database.connection().await.execute(older).await.unwrap();
}

/// Makes everything that is stored so many days older.
async fn age(database: &TestDatabase, days: u32) {
    let columns = [
        ("batches", "created_at"),
        ("batches", "finished_at"),
        ("idempotency_keys", "created_at"),
        ("raw_transactions", "stored_at"),
        ("raw_transactions", "used_at"),
        ("address_scans", "updated_at"),
        ("balance_snapshots", "taken_at"),
        ("ledgers", "superseded_at"),
        ("processes", "seen_at"),
        ("expired_batches", "expired_at"),
        ("care_runs", "finished_at"),
    ];
    let mut connection = database.connection().await;
    for (table, column) in columns {
        let sql = format!("update {table} set {column} = {column} - interval '{days} days'");
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
    }
}

pub async fn count(database: &TestDatabase, table: &'static str) -> i64 {
    let sql = format!("select count(*) from {table}");
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(&mut database.connection().await)
        .await
        .unwrap()
}

/// Finishes a claimed wallet with a ledger of one chunk.
pub async fn finish_with_ledger(database: &TestDatabase, lease: &Lease) {
    let store = database.store();
    let mut result = finished();
    let block = lease.pin.unwrap().block;
    let head = ledger_head(uuid::Uuid::new_v4(), block, 1, 1);
    ledgers::append_chunk(store, lease, head.ledger_id, 0, &chunk_of(1, b"{}\n")).await.unwrap();
    let snapshot = StoredSnapshot { pin_slot: block, node_slot: block, balances: json!({}) };
    put_snapshot(store, lease, &snapshot).await.unwrap();
    result.ledger = Some(head);
    wallet_tasks::finish(store, lease, result.clone()).await.unwrap();
}

/// A batch of ten wallets with everything a batch leaves behind, all done.
pub async fn done_batch(database: &TestDatabase, first: usize) -> BatchId {
    let id = submit(database.store(), first..first + 10).await;
    batches::set_pin(database.store(), id, PIN).await.unwrap();
    for lease in claim(database.store(), &WorkerId::generate(), 10).await {
        finish_with_ledger(database, &lease).await;
    }
    id
}

#[tokio::test]
async fn an_old_job_goes_with_everything_that_is_its_own_and_leaves_a_tombstone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let old = done_batch(&database, 0).await;
    age(&database, 31).await;
    // Wallet 0 has a newer result; its figures and ledger are that one's.
    let young = submit(store, 0..1).await;
    batches::set_pin(store, young, Pin { block: PIN.block + 1, ..PIN }).await.unwrap();
    finish_with_ledger(&database, &claim_one(store).await).await;

    // What reads its results already, reads them to the end.
    let before = results::page(store, &everybodys(old), None, 5).await.unwrap();
    let removed = prune_all(&database, &rules()).await;
    assert_eq!((removed.of(Kind::Batches), removed.of(Kind::Tasks)), (1, 0));
    assert!(batches::get(store, &everybodys(old)).await.unwrap().is_none());
    let rest = results::page(store, &everybodys(old), Some(before[4].ordinal), 100).await.unwrap();
    assert_eq!(rest.len(), 5);
    pass_readers_time(&database).await;
    let removed = prune_all(&database, &rules()).await;
    assert_eq!((removed.of(Kind::Batches), removed.of(Kind::Tasks)), (0, 11));
    assert!(batches::get(store, &everybodys(old)).await.unwrap().is_none());
    assert!(batches::expired(store, &everybodys(old)).await.unwrap().is_some());
    assert!(results::page(store, &everybodys(old), None, 100).await.unwrap().is_empty());
    assert_eq!(listed(store).await, 1);
    assert_eq!(batch(store, young).await.counts.done, 1);
    assert!(batches::expired(store, &everybodys(young)).await.unwrap().is_none());
    assert!(batches::expired(store, &everybodys(BatchId::generate())).await.unwrap().is_none());
    for (table, left) in
        [("wallet_tasks", 1), ("wallet_attempts", 1), ("pnl_results", 1), ("wallet_latest", 1)]
    {
        assert_eq!(count(&database, table).await, left, "{table}");
    }
    let latest = results::latest(
        store,
        &Tenant::default(),
        &LatestList::sorted(LatestSort::AnalyzedAt, true),
        LatestPlace::Offset(0),
        10,
    )
    .await
    .unwrap();
    assert_eq!(latest.rows[0].batch, young);
    // Ledgers stay readable for some minutes after they are replaced.
    age(&database, 1).await;
    prune_all(&database, &rules()).await;
    assert_eq!(
        (count(&database, "ledgers").await, count(&database, "ledger_chunks").await),
        (1, 1)
    );
    assert_eq!(count(&database, "balance_snapshots").await, 1);
    // And the tombstone for a year.
    age(&database, 366).await;
    prune_all(&database, &RetentionRules { results: None, ..rules() }).await;
    assert!(batches::expired(store, &everybodys(old)).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_kept_for_ever_or_not_over_stays() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let over = done_batch(&database, 0).await;
    let open = submit(store, 20..22).await;
    finish(store, &claim_one(store).await).await;
    age(&database, 1000).await;
    let for_ever = RetentionRules { raw_transactions: None, results: None, ..rules() };
    prune_all(&database, &for_ever).await;
    assert!(batches::get(store, &everybodys(over)).await.unwrap().is_some());
    prune_jobs(&database, &rules()).await;
    assert!(batches::get(store, &everybodys(over)).await.unwrap().is_none());
    let open = batch(store, open).await;
    assert_eq!((open.counts.done, open.counts.queued), (1, 1));
    assert_eq!(count(&database, "pnl_results").await, 1);
}

#[tokio::test]
async fn a_job_is_there_as_long_as_its_key_answers_and_is_not_retried_when_expired() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut new = new_batch(0..1);
    new.idempotency = Some(IdempotencyClaim {
        key: "key".to_owned(),
        fingerprint: "f".to_owned(),
        keep: DAY * 90,
    });
    batches::submit(store, &new, Admission::rejecting(3)).await.unwrap();
    transition(store, &claim_one(store).await, &failed()).await;
    age(&database, 60).await;
    let rules = RetentionRules { idempotency: DAY * 90, ..rules() };
    prune_all(&database, &rules).await;
    assert!(batches::get(store, &everybodys(new.id)).await.unwrap().is_some());
    age(&database, 40).await;
    // The first step makes it a tombstone; a retry that comes before the others finds it gone.
    sqlx::query("insert into expired_batches (id, chain, finished_at) select id, chain, finished_at from batches")
        .execute(&mut database.connection().await)
        .await
        .unwrap();
    let retried =
        batches::retry(store, &everybodys(new.id), Admission::rejecting(3)).await.unwrap();
    assert_eq!(retried, Retried::Unknown);
    pass_readers_time(&database).await;
    let removed = prune_all(&database, &rules).await;
    assert_eq!(removed.of(Kind::Tasks), 2);
    assert_eq!(count(&database, "idempotency_keys").await, 0);
}

#[tokio::test]
async fn keys_and_reports_of_the_dead_go() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for n in 0..7 {
        let mut new = new_batch(n..n + 1);
        new.idempotency =
            Some(IdempotencyClaim { key: n.to_string(), fingerprint: "f".to_owned(), keep: DAY });
        batches::submit(store, &new, Admission::rejecting(100)).await.unwrap();
    }
    processes::publish(store, &report("gone")).await.unwrap();
    age(&database, 2).await;
    processes::publish(store, &report("there")).await.unwrap();
    let removed = prune_all(&database, &rules()).await;
    assert_eq!(removed.of(Kind::IdempotencyKeys), 7);
    assert_eq!(removed.of(Kind::ProcessReports), 1);
    assert_eq!(processes::live(store).await.unwrap().len(), 1);
}

fn raw(n: u64) -> RawTransaction {
    RawTransaction {
        chain: Chain::Solana,
        tx_id: TxId::new(&format!("tx{n}")),
        block: n,
        block_time: Some(1),
        json: format!("{{\"n\":{n}}}").into_bytes(),
    }
}

fn row(n: u64) -> SignatureRow {
    SignatureRow { tx_id: raw(n).tx_id, slot: n / 2, block_time: Some(1), failed: false }
}

/// Lists `numbers`, newest first, as the whole list of an address.
async fn list(database: &TestDatabase, lease: &Lease, address: &Address, numbers: &[u64]) {
    let page = SignaturePage { rows: numbers.iter().map(|n| row(*n)).collect(), goes_on: false };
    let whole = ScanProgress::Finished {
        covered_until: page.rows.first().map(|row| row.tx_id.clone()),
        covered_slot: 100,
    };
    put_signature_page(database.store(), lease, address, &page, &whole).await.unwrap();
}

/// Ten transactions of an address, all stored, by a wallet that is done.
async fn chain_data_of(database: &TestDatabase, address: &Address) -> Vec<TxId> {
    let store = database.store();
    submit(store, 50..51).await;
    let lease = claim_one(store).await;
    let all: Vec<RawTransaction> = (0..10).map(raw).collect();
    put_transactions(store, &lease, &all).await.unwrap();
    let newest_first: Vec<u64> = (0..10).rev().collect();
    list(database, &lease, address, &newest_first).await;
    finish(store, &lease).await;
    all.into_iter().map(|raw| raw.tx_id).collect()
}

#[tokio::test]
async fn unused_chain_data_goes_and_can_be_read_again_to_the_same_list() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let address = wallet(1);
    let ids = chain_data_of(&database, &address).await;
    let before = signatures(store, Chain::Solana, &address, 100).await.unwrap();
    age(&database, 11).await;
    let removed = prune_all(&database, &rules()).await;
    assert_eq!((removed.of(Kind::RawTransactions), removed.of(Kind::Signatures)), (10, 14));
    assert_eq!(chain_data::scan(store, Chain::Solana, &address).await.unwrap(), None);
    assert_eq!(missing_transactions(store, Chain::Solana, &ids).await.unwrap(), ids);
    // A later run lists and fetches as if it was the first.
    chain_data_of(&database, &address).await;
    assert_eq!(signatures(store, Chain::Solana, &address, 100).await.unwrap(), before);
    assert!(missing_transactions(store, Chain::Solana, &ids).await.unwrap().is_empty());
}

#[tokio::test]
async fn use_keeps_chain_data_and_an_open_job_keeps_what_it_has_used() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let address = wallet(1);
    let ids = chain_data_of(&database, &address).await;
    age(&database, 9).await;
    // Some wallet of another job looks at half of it.
    let used = &ids[..5];
    assert!(missing_transactions(store, Chain::Solana, used).await.unwrap().is_empty());
    age(&database, 2).await;
    let removed = prune_all(&database, &rules()).await;
    assert_eq!(removed.of(Kind::RawTransactions), 5);
    assert_eq!(missing_transactions(store, Chain::Solana, &ids).await.unwrap(), ids[5..]);

    // A job that is open for longer than the retention: what was used since it began stays.
    let open = submit(store, 60..61).await;
    assert!(chain_data::scan(store, Chain::Solana, &wallet(60)).await.unwrap().is_none());
    assert!(missing_transactions(store, Chain::Solana, used).await.unwrap().is_empty());
    age(&database, 40).await;
    let removed = prune_all(&database, &rules()).await;
    assert_eq!(removed.of(Kind::RawTransactions), 0);
    batches::cancel(store, &everybodys(open)).await.unwrap();
    let removed = prune_all(&database, &rules()).await;
    assert_eq!(removed.of(Kind::RawTransactions), 5);
}

#[tokio::test]
async fn the_list_of_a_wallet_with_an_open_task_stays() {
    let database = TestDatabase::create().await;
    let store = database.store();
    chain_data_of(&database, &wallet(1)).await;
    age(&database, 100).await;
    let open = submit(store, 1..2).await;
    assert_eq!(prune_all(&database, &rules()).await.of(Kind::Signatures), 0);
    assert_eq!(count(&database, "address_signatures").await, 10);
    batches::cancel(store, &everybodys(open)).await.unwrap();
    assert_eq!(prune_all(&database, &rules()).await.of(Kind::Signatures), 14);
}

#[tokio::test]
async fn chain_data_is_left_alone_while_a_worker_without_report_works() {
    let database = TestDatabase::create().await;
    let store = database.store();
    chain_data_of(&database, &wallet(1)).await;
    age(&database, 100).await;
    submit(store, 70..72).await;
    let (silent, reporting) = (WorkerId::generate(), WorkerId::generate());
    let held = claim(store, &silent, 1).await;
    claim(store, &reporting, 1).await;
    processes::publish(store, &report(reporting.as_str())).await.unwrap();
    let removed = prune_all(&database, &rules()).await;
    assert_eq!((removed.of(Kind::RawTransactions), removed.of(Kind::Signatures)), (0, 0));
    // Between two wallets it is not seen at work, but its batch is open.
    finish(store, &held[0]).await;
    let removed = prune_all(&database, &rules()).await;
    assert_eq!((removed.of(Kind::RawTransactions), removed.of(Kind::Signatures)), (0, 0));
    processes::publish(store, &report(silent.as_str())).await.unwrap();
    let removed = prune_all(&database, &rules()).await;
    assert_eq!(removed.of(Kind::RawTransactions), 10);
}

/// What a retry does in a program that knows no tombstones.
async fn retry_of_the_first_schema(database: &TestDatabase) {
    let mut connection = database.connection().await;
    connection
        .execute(
            "update batches
             set state = 'active', finished_at = null, done = null, failed = null,
                 timed_out = null, cancelled = null;
             update wallet_tasks set state = 'queued', finished_at = null, error = null
             where state = 'failed'",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_job_that_is_opened_again_while_it_is_removed_goes_on_with_the_rest_of_its_wallets() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..5).await;
    for lease in claim(store, &WorkerId::generate(), 5).await {
        transition(store, &lease, &failed()).await;
    }
    age(&database, 31).await;
    prune_all(&database, &rules()).await;
    pass_readers_time(&database).await;
    // A run that died behind its first step.
    let mut connection = database.connection().await;
    connection.execute("delete from wallet_tasks where ordinal < 3").await.unwrap();
    retry_of_the_first_schema(&database).await;
    prune_all(&database, &rules()).await;
    let opened = batch(store, id).await;
    assert_eq!((opened.total, opened.counts.queued), (2, 2));
    assert!(batches::expired(store, &everybodys(id)).await.unwrap().is_none());
    for lease in claim(store, &WorkerId::generate(), 5).await {
        finish(store, &lease).await;
    }
    assert_eq!(batch(store, id).await.state, batches::BatchState::Completed);

    // And when nothing was left of it, it holds no place among the active ones.
    age(&database, 31).await;
    prune_all(&database, &rules()).await;
    pass_readers_time(&database).await;
    connection.execute("delete from wallet_tasks").await.unwrap();
    retry_of_the_first_schema(&database).await;
    prune_all(&database, &rules()).await;
    assert_eq!(count(&database, "batches").await, 0);
    assert!(batches::expired(store, &everybodys(id)).await.unwrap().is_some());
}

#[tokio::test]
async fn the_removal_of_a_job_waits_for_a_retry_under_way() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    transition(store, &claim_one(store).await, &failed()).await;
    age(&database, 31).await;
    prune_all(&database, &rules()).await;
    pass_readers_time(&database).await;
    let mut connection = database.connection().await;
    let mut retry = connection.begin().await.unwrap();
    retry
        .execute(
            "update batches
             set state = 'active', finished_at = null, done = null, failed = null,
                 timed_out = null, cancelled = null",
        )
        .await
        .unwrap();
    let rules = rules();
    let (removed, ()) = tokio::join!(prune_all(&database, &rules), async {
        wait_for_a_lock(&database).await;
        retry
            .execute("update wallet_tasks set state = 'queued', finished_at = null, error = null")
            .await
            .unwrap();
        retry.commit().await.unwrap();
    });
    assert_eq!(removed.of(Kind::Tasks), 1, "the tombstone");
    assert_eq!(batch(store, id).await.counts.queued, 1);
}

#[tokio::test]
async fn what_two_readers_mark_at_once_is_absent_for_neither() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let address = wallet(1);
    let ids = chain_data_of(&database, &address).await;
    let mut connection = database.connection().await;
    // The other one is as far as its statement, and commits while this one waits for it.
    for (other, absent) in [
        ("update raw_transactions set used_at = clock_timestamp()", &ids[..0]),
        (
            "update raw_transactions set used_at = clock_timestamp() where tx_id <> 'tx3';
          delete from raw_transactions where tx_id = 'tx3'",
            &ids[3..4],
        ),
    ] {
        age(&database, 9).await;
        let mut first = connection.begin().await.unwrap();
        first.execute(other).await.unwrap();
        let (missing, ()) = tokio::join!(missing_transactions(store, Chain::Solana, &ids), async {
            wait_for_a_lock(&database).await;
            first.commit().await.unwrap();
        });
        assert_eq!(missing.unwrap(), absent);
    }
    for (other, known) in [
        ("update address_scans set updated_at = clock_timestamp()", true),
        ("delete from address_scans", false),
    ] {
        age(&database, 9).await;
        let mut first = connection.begin().await.unwrap();
        first.execute(other).await.unwrap();
        let (scan, ()) = tokio::join!(chain_data::scan(store, Chain::Solana, &address), async {
            wait_for_a_lock(&database).await;
            first.commit().await.unwrap();
        });
        assert_eq!(scan.unwrap().is_some(), known);
    }
}

#[tokio::test]
async fn more_lists_than_go_in_one_step_all_go() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut connection = database.connection().await;
    connection
        .execute(
            "insert into address_scans (chain, address, covered_slot)
             select 'solana', 'silent' || n, 7 from generate_series(1, 120) n",
        )
        .await
        .unwrap();
    age(&database, 11).await;
    let wide = RetentionRules { rows_per_step: 1000, ..rules() };
    assert_eq!(prune_all(&database, &wide).await.of(Kind::Signatures), 120);
    assert_eq!(chain_data::scan(store, Chain::Solana, &wallet(1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_list_that_is_read_again_while_it_is_removed_is_whole_and_in_order() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let address = wallet(1);
    chain_data_of(&database, &address).await;
    age(&database, 11).await;
    // One step of three rows, as when its process dies behind it.
    let step = sqlx::query(
        "update address_scans
         set covered_until = null, covered_slot = 0, next_pos = 0, head = null, before = null",
    );
    let mut connection = database.connection().await;
    step.execute(&mut connection).await.unwrap();
    connection
        .execute("delete from address_signatures where tx_id in ('tx3', 'tx4', 'tx8')")
        .await
        .unwrap();
    let scan = chain_data::scan(store, Chain::Solana, &address).await.unwrap().unwrap();
    assert_eq!((scan.covered_until, scan.covered_slot, scan.pass), (None, 0, None));
    submit(store, 80..81).await;
    let lease = claim_one(store).await;
    // By then the node has two more in the slot of the newest.
    let newest_first: Vec<u64> = (0..10).rev().collect();
    list(&database, &lease, &address, &newest_first).await;
    let listed = signatures(store, Chain::Solana, &address, 100).await.unwrap();
    assert_eq!(listed, newest_first.iter().map(|n| row(*n)).collect::<Vec<_>>());
    // It is in use again: nothing more is removed.
    assert_eq!(prune_all(&database, &rules()).await.of(Kind::Signatures), 0);
}

#[tokio::test]
async fn a_process_that_dies_in_a_step_leaves_the_rest_to_the_next() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let old = done_batch(&database, 0).await;
    age(&database, 31).await;
    let mut ended = 0;
    // Killed again and again in the middle of a run, until one gets through.
    for delay in 0.. {
        let dying = database.second_store().await;
        let rules = rules();
        let run = prune(&dying, &rules, Duration::ZERO, |_, _| {});
        match tokio::time::timeout(Duration::from_millis(delay * 2), run).await {
            Ok(outcome) => {
                assert_eq!(outcome.unwrap(), Run::Finished);
                if count(&database, "batches").await == 0 {
                    break;
                }
            }
            Err(_) => ended += 1,
        }
        pass_readers_time(&database).await;
        database
            .connection()
            .await
            .execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()
                   and query like '%retention%'",
            )
            .await
            .unwrap();
        // What clients see is one or the other, never a job with a part of its wallets.
        match batches::get(store, &everybodys(old)).await.unwrap() {
            Some(job) => assert_eq!((job.total, job.counts.done), (10, 10)),
            None => assert!(batches::expired(store, &everybodys(old)).await.unwrap().is_some()),
        }
    }
    assert!(ended > 0, "the first run has no time at all");
    assert!(batches::expired(store, &everybodys(old)).await.unwrap().is_some());
    for table in ["batches", "wallet_tasks", "wallet_attempts", "pnl_results", "wallet_latest"] {
        assert_eq!(count(&database, table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn of_processes_that_prune_at_once_one_does_and_all_is_gone_once() {
    let database = TestDatabase::create().await;
    let stores =
        [database.store().clone(), database.second_store().await, database.second_store().await];
    done_batch(&database, 0).await;
    age(&database, 31).await;
    let rules = rules();
    let prune = |store, pause| prune(store, &rules, pause, |_, _| {});
    let pause = Duration::from_secs(60);
    let runs = join_all(stores.iter().map(|store| prune(store, pause))).await;
    let finished = runs.iter().filter(|run| matches!(run, Ok(Run::Finished))).count();
    assert!(runs.iter().all(Result::is_ok) && finished <= 1, "{runs:?}");
    // Whoever was stopped by the others comes back later; whoever is not due does nothing.
    let again = prune(&stores[0], pause).await.unwrap();
    assert_eq!(matches!(again, Run::NotDue), finished == 1, "{again:?}");
    pass_readers_time(&database).await;
    let (one, other) =
        tokio::join!(prune(&stores[1], Duration::ZERO), prune(&stores[2], Duration::ZERO));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    prune_all(&database, &rules).await;
    assert_eq!(count(&database, "wallet_tasks").await, 0);
    assert_eq!(count(&database, "expired_batches").await, 1);

    // While somebody is in a step, nobody else is.
    let mut connection = database.connection().await;
    let mut step = connection.begin().await.unwrap();
    step.execute("select pg_advisory_xact_lock(hashtextextended('retention', 0))").await.unwrap();
    assert_eq!(prune(&stores[1], Duration::ZERO).await.unwrap(), Run::Busy);
    step.commit().await.unwrap();
    assert_eq!(prune(&stores[1], Duration::ZERO).await.unwrap(), Run::Finished);
    let [_, second, third] = stores;
    second.close().await;
    third.close().await;
}
