//! Groups: the last task of a batch, that waits for all others.

use persistence_layer::Tenant;
use persistence_layer::batches::{
    self, Admission, BatchId, BatchState, NewBatch, Retried, Submitted,
};
use persistence_layer::ledgers::{self, LedgerStays, append_chunk, chunk};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{
    self, EndState, FinishedWallet, Lease, TaskState, Transition, WorkerId, sweep,
};
use persistence_layer::{Store, StoreError, groups, results};
use pnl_core::{Chain, WalletRef};
use serde_json::json;
use uuid::Uuid;

use crate::support::{
    batch, chunk_of, claim, claim_and_die, claim_one, everybodys, finished, ledger_head, new_batch,
    submit, task_error, transition, wallet,
};

fn new_group(wallets: usize) -> NewBatch {
    NewBatch { request: json!({"method": "fifo", "group": true}), ..new_batch(0..wallets) }
}

async fn submit_group(store: &Store, wallets: usize) -> BatchId {
    let new = new_group(wallets);
    let submitted = batches::submit(store, &new, Admission::rejecting(1000)).await.unwrap();
    assert_eq!(submitted, Submitted::Accepted);
    new.id
}

/// Ends a wallet with a ledger of one chunk at `block`, cut or not.
async fn finish_at(store: &Store, lease: &Lease, block: u64, cut: bool) -> Result<(), StoreError> {
    let id = Uuid::now_v7();
    let line = format!("{{\"of\":\"{}\"}}\n", lease.wallet.address);
    append_chunk(store, lease, id, 0, &chunk_of(1, line.as_bytes())).await.unwrap();
    let head = ledger_head(id, block, 1, 1);
    if groups::is_asked_for(&lease.request) && !groups::is_name(&lease.wallet.address) {
        groups::keep(store, lease, &head).await?;
        // As the attempt of a worker that died here and one after it do.
        groups::keep(store, lease, &head).await?;
    }
    let ledger_stays = if cut { LedgerStays::ForResult } else { LedgerStays::Current };
    let result = FinishedWallet { ledger: Some(head), ledger_stays, ..finished() };
    wallet_tasks::finish(store, lease, result).await
}

/// The text that is kept of a wallet for its group.
async fn kept(store: &Store, id: BatchId, n: usize) -> Option<String> {
    let ledger =
        groups::ledger(store, &Tenant::default(), id, Chain::Solana, &wallet(n)).await.unwrap()?;
    let chunk =
        chunk(store, &Tenant::default(), Chain::Solana, ledger.head.ledger_id, 0).await.unwrap()?;
    Some(String::from_utf8(chunk).unwrap())
}

fn failed(code: &str) -> Transition {
    Transition::End { state: EndState::Failed, error: Some(task_error(code)) }
}

async fn no_claim(store: &Store) {
    assert!(claim(store, &WorkerId::generate(), 10).await.is_empty());
}

#[tokio::test]
async fn a_group_is_ready_when_the_last_of_its_wallets_has_ended_however() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit_group(store, 3).await;
    let of_batch = batch(store, id).await;
    assert_eq!((of_batch.total, of_batch.counts.queued), (3, 3), "clients count wallets");
    assert_eq!(of_batch.group, Some(TaskState::Delayed));
    let leases = claim(store, &WorkerId::generate(), 10).await;
    assert_eq!(leases.len(), 3, "the group itself is not ready");
    finish_at(store, &leases[0], 100, false).await.unwrap();
    groups::wake(store, Some(id)).await.unwrap();
    groups::wake(store, None).await.unwrap();
    no_claim(store).await;
    transition(store, &leases[1], &failed("x")).await;
    finish_at(store, &leases[2], 100, true).await.unwrap();
    assert_eq!(batch(store, id).await.state, BatchState::Active, "its group is to come");
    groups::wake(store, Some(id)).await.unwrap();

    let members = groups::members(store, id).await.unwrap();
    let states: Vec<_> = members.iter().map(|m| (m.wallet.as_str(), m.state)).collect();
    assert_eq!(
        states,
        [
            ("wallet0", TaskState::Done),
            ("wallet1", TaskState::Failed),
            ("wallet2", TaskState::Done)
        ]
    );
    assert_eq!(members[1].error_code.as_deref(), Some("x"));
    assert_eq!(kept(store, id, 0).await.as_deref(), Some("{\"of\":\"wallet0\"}\n"));
    assert_eq!(kept(store, id, 1).await, None);
    assert!(kept(store, id, 2).await.is_some(), "one that was cut, too");
    let of_wallet = WalletRef { chain: Chain::Solana, address: wallet(2) };
    assert!(
        ledgers::current(store, &Tenant::default(), &of_wallet).await.unwrap().is_none(),
        "which nobody else reads"
    );

    let group = claim_one(store).await;
    assert!(groups::is_name(&group.wallet.address) && group.wallet.address == groups::name(id));
    finish_at(store, &group, 100, false).await.unwrap();
    let ended = batch(store, id).await;
    assert_eq!(
        (ended.state, ended.group),
        (BatchState::CompletedWithErrors, Some(TaskState::Done))
    );
    assert_eq!((ended.total, ended.counts.done, ended.counts.failed), (3, 2, 1));
    assert!(groups::result(store, &everybodys(id)).await.unwrap().unwrap().report_json.is_some());
    let page = results::page(store, &everybodys(id), None, 100).await.unwrap();
    assert_eq!(page.len(), 3, "its row is not one of the wallets");
    groups::let_go(store, &everybodys(id)).await.unwrap();
    assert_eq!(kept(store, id, 0).await, None);
}

#[tokio::test]
async fn whoever_dies_in_a_group_leaves_it_to_one_other() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit_group(store, 1).await;
    let dead = claim_and_die(store).await;
    sweep(store, 20).await.unwrap();
    let living = claim_one(store).await;
    let late = groups::keep(store, &dead, &ledger_head(Uuid::now_v7(), 100, 0, 0)).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "{late:?}");
    // The worker dies between the end of the wallet and waking the group: the sweep does it.
    finish_at(store, &living, 100, false).await.unwrap();
    no_claim(store).await;
    sweep(store, 20).await.unwrap();
    let dead = claim_and_die(store).await;
    sweep(store, 20).await.unwrap();
    let living = claim_one(store).await;
    assert_eq!((living.task_id, living.fence), (dead.task_id, dead.fence + 1));
    finish_at(store, &living, 100, false).await.unwrap();
    let late = wallet_tasks::finish(store, &dead, finished()).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "{late:?}");
    assert_eq!(batch(store, id).await.state, BatchState::Completed);
}

#[tokio::test]
async fn the_ledger_of_a_wallet_is_kept_for_its_group_whatever_replaces_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit_group(store, 1).await;
    finish_at(store, &claim_one(store).await, 100, false).await.unwrap();
    let before = kept(store, id, 0).await;
    assert!(before.is_some());
    submit(store, 0..1).await;
    let newer = claim_one(store).await;
    assert!(!groups::is_name(&newer.wallet.address));
    finish_at(store, &newer, 200, false).await.unwrap();
    assert_eq!(kept(store, id, 0).await, before);
}

#[tokio::test]
async fn a_retry_makes_the_group_again_after_the_wallets() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit_group(store, 2).await;
    let leases = claim(store, &WorkerId::generate(), 10).await;
    finish_at(store, &leases[0], 100, false).await.unwrap();
    transition(store, &leases[1], &failed("x")).await;
    groups::wake(store, Some(id)).await.unwrap();
    let first = claim_one(store).await;
    wallet_tasks::finish(store, &first, finished()).await.unwrap();

    let retried = batches::retry(store, &everybodys(id), Admission::rejecting(1)).await.unwrap();
    assert_eq!(retried, Retried::Requeued(1));
    let row = groups::result(store, &everybodys(id)).await.unwrap().unwrap();
    assert_eq!((row.state, row.report_json), (TaskState::Delayed, None), "the old result is gone");
    let again = claim(store, &WorkerId::generate(), 10).await;
    assert_eq!(again.iter().map(|lease| &lease.wallet.address).collect::<Vec<_>>(), [&wallet(1)]);
    assert!(kept(store, id, 0).await.is_some(), "what is done is not done again");
    finish_at(store, &again[0], 100, false).await.unwrap();
    groups::wake(store, Some(id)).await.unwrap();
    let second = claim_one(store).await;
    assert!(second.fence > first.fence);
    let late = wallet_tasks::finish(store, &first, finished()).await;
    assert!(matches!(late, Err(StoreError::LeaseLost { .. })), "{late:?}");
    wallet_tasks::finish(store, &second, finished()).await.unwrap();
    assert_eq!(batch(store, id).await.state, BatchState::Completed);

    // Also when it is the group alone that failed.
    let id = submit_group(store, 1).await;
    finish_at(store, &claim_one(store).await, 100, false).await.unwrap();
    groups::wake(store, Some(id)).await.unwrap();
    transition(store, &claim_one(store).await, &failed("group-too-large")).await;
    let ended = batch(store, id).await;
    assert_eq!((ended.state, ended.counts.failed), (BatchState::CompletedWithErrors, 0));
    let retried = batches::retry(store, &everybodys(id), Admission::rejecting(1)).await.unwrap();
    assert_eq!(retried, Retried::Requeued(1));
    assert_eq!(claim_one(store).await.wallet.address, groups::name(id));
}

#[tokio::test]
async fn a_group_that_waits_for_admission_or_is_cancelled_is_not_woken() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(store, 7..8).await;
    let queueing = Admission { max_concurrent: 1, queue_limit: 5 };
    let new = new_group(2);
    assert_eq!(batches::submit(store, &new, queueing).await.unwrap(), Submitted::Accepted);
    let lease = claim_one(store).await;
    assert_eq!(lease.batch, first);
    groups::wake(store, None).await.unwrap();
    no_claim(store).await;
    wallet_tasks::finish(store, &lease, finished()).await.unwrap();
    let admitted = claim(store, &WorkerId::generate(), 10).await;
    assert_eq!(admitted.len(), 2, "its wallets, and not the group");
    let cancelled = batches::cancel(store, &everybodys(new.id)).await.unwrap().unwrap();
    assert_eq!(cancelled.group, Some(TaskState::Cancelled));
    for lease in &admitted {
        wallet_tasks::finish(store, lease, finished()).await.unwrap();
    }
    groups::wake(store, None).await.unwrap();
    no_claim(store).await;
    assert!(batch(store, new.id).await.state.is_terminal());
}
