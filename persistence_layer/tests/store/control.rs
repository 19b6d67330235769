//! Status, list, cancel, retry and pin of a batch.

use persistence_layer::StoreError;
use persistence_layer::Tenant;
use persistence_layer::batches::{
    self, Admission, BatchId, BatchRef, BatchState, BatchStatus, Counts, Purged, Retried, Waiting,
};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{
    self, EndState, Transition, WaitReason, WorkerId, heartbeat,
};
use pnl_core::Pin;

use crate::support::{
    LONG, batch, claim, claim_one, everybodys, failed, finish, requeue, submit, task_error,
    transition,
};

#[tokio::test]
async fn counts_follow_the_wallets_and_sum_to_the_total() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..7).await;
    let held = claim(store, &WorkerId::generate(), 6).await;
    assert_eq!(batch(store, id).await.status(), BatchStatus::Running);
    finish(store, &held[0]).await;
    transition(store, &held[1], &failed()).await;
    let timed_out = Transition::End { state: EndState::TimedOut, error: None };
    transition(store, &held[2], &timed_out).await;
    transition(store, &held[3], &requeue(WaitReason::Continued)).await;
    let throttled = Transition::Requeue {
        delay: LONG,
        reason: WaitReason::ProviderThrottled,
        costs_attempt: false,
        error: None,
    };
    transition(store, &held[4], &throttled).await;
    let now = batch(store, id).await;
    assert_eq!(
        now.counts,
        Counts { queued: 3, running: 1, done: 1, failed: 1, timed_out: 1, cancelled: 0 }
    );
    assert_eq!(now.waiting, Waiting { continued: 1, provider_throttled: 1 });
    assert!(now.updated_at > now.created_at);
    assert!(now.started_at.unwrap() >= now.created_at);
}

#[tokio::test]
async fn the_end_state_follows_from_the_wallets() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for (ends, state) in [
        (["done", "done"], BatchState::Completed),
        (["done", "failed"], BatchState::CompletedWithErrors),
        (["failed", "failed"], BatchState::Failed),
    ] {
        let id = submit(store, 0..2).await;
        for end in ends {
            assert_eq!(batch(store, id).await.state, BatchState::Active);
            let lease = claim_one(store).await;
            match end {
                "done" => finish(store, &lease).await,
                _ => transition(store, &lease, &failed()).await,
            }
        }
        let ended = batch(store, id).await;
        assert_eq!(ended.state, state);
        assert!(ended.finished_at.unwrap() >= ended.started_at.unwrap());
        assert_eq!(ended.counts.done + ended.counts.failed, 2);
    }
}

#[tokio::test]
async fn two_wallets_that_end_at_once_close_the_batch() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for _ in 0..10 {
        let id = submit(store, 0..8).await;
        let held = claim(store, &WorkerId::generate(), 8).await;
        futures::future::join_all(held.iter().map(|lease| finish(store, lease))).await;
        assert_eq!(batch(store, id).await.state, BatchState::Completed);
    }
}

#[tokio::test]
async fn a_batch_without_running_wallets_is_cancelled_at_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..3).await;
    let delayed = Transition::Requeue {
        delay: LONG,
        reason: WaitReason::Backoff,
        costs_attempt: true,
        error: Some(task_error("call-failed")),
    };
    transition(store, &claim_one(store).await, &delayed).await;
    let cancelled = batches::cancel(store, &everybodys(id)).await.unwrap().unwrap();
    assert_eq!(cancelled.state, BatchState::Cancelled);
    assert_eq!(cancelled.counts, Counts { cancelled: 3, ..Counts::default() });
    assert!(claim(store, &WorkerId::generate(), 5).await.is_empty());
    // Again, and of something unknown.
    let again = batches::cancel(store, &everybodys(id)).await.unwrap().unwrap();
    assert_eq!(again.finished_at, cancelled.finished_at);
    assert!(batches::cancel(store, &everybodys(BatchId::generate())).await.unwrap().is_none());
}

#[tokio::test]
async fn a_cancelled_batch_ends_when_its_running_wallets_have() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..4).await;
    let worker = WorkerId::generate();
    let held = claim(store, &worker, 3).await;
    let requested = batches::cancel(store, &everybodys(id)).await.unwrap().unwrap();
    assert_eq!(requested.state, BatchState::Active);
    assert!(requested.cancel_requested);
    assert_eq!(requested.counts, Counts { running: 3, cancelled: 1, ..Counts::default() });
    // The workers hear of it.
    let tasks: Vec<(i64, i64)> = held.iter().map(|lease| (lease.task_id, lease.fence)).collect();
    let mut told = heartbeat(store, &worker, &tasks, LONG).await.unwrap().cancelled;
    told.sort_unstable();
    assert_eq!(told, held.iter().map(|lease| lease.task_id).collect::<Vec<_>>());
    // One finishes first, one wants to go back to the queue, one obeys.
    finish(store, &held[0]).await;
    transition(store, &held[1], &requeue(WaitReason::Continued)).await;
    assert_eq!(batch(store, id).await.state, BatchState::Active);
    let obeyed = Transition::End { state: EndState::Cancelled, error: None };
    transition(store, &held[2], &obeyed).await;
    let ended = batch(store, id).await;
    assert_eq!(ended.state, BatchState::Cancelled);
    assert_eq!(ended.counts, Counts { done: 1, cancelled: 3, ..Counts::default() });
    assert!(claim(store, &worker, 5).await.is_empty());
}

#[tokio::test]
async fn a_batch_whose_wallets_are_all_done_is_completed_although_a_cancel_came() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    let lease = claim_one(store).await;
    batches::cancel(store, &everybodys(id)).await.unwrap();
    finish(store, &lease).await;
    assert_eq!(batch(store, id).await.state, BatchState::Completed);
}

#[tokio::test]
async fn the_wallet_of_a_dead_worker_is_cancelled_with_its_batch() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    crate::support::claim_and_die(store).await;
    batches::cancel(store, &everybodys(id)).await.unwrap();
    let swept = wallet_tasks::sweep(store, 20).await.unwrap();
    assert_eq!((swept.requeued, swept.parked, swept.cancelled), (0, 0, 1));
    assert_eq!(batch(store, id).await.state, BatchState::Cancelled);
}

#[tokio::test]
async fn retry_queues_the_failed_and_timed_out_wallets_again() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..3).await;
    let pin = Pin { block: 5, block_time: 50 };
    batches::set_pin(store, id, pin).await.unwrap();
    let held = claim(store, &WorkerId::generate(), 3).await;
    assert_eq!(
        batches::retry(store, &everybodys(id), Admission::rejecting(3)).await.unwrap(),
        Retried::NotTerminal
    );
    finish(store, &held[0]).await;
    transition(store, &held[1], &failed()).await;
    let timed_out = Transition::End { state: EndState::TimedOut, error: None };
    transition(store, &held[2], &timed_out).await;

    let other = submit(store, 10..11).await;
    assert_eq!(
        batches::retry(store, &everybodys(id), Admission::rejecting(1)).await.unwrap(),
        Retried::AtCapacity { limit: 1 }
    );
    assert_eq!(
        batches::retry(store, &everybodys(id), Admission::rejecting(2)).await.unwrap(),
        Retried::Requeued(2)
    );
    let open = batch(store, id).await;
    assert_eq!(open.state, BatchState::Active);
    assert_eq!(open.pin, Some(pin));
    assert_eq!(open.counts, Counts { queued: 2, done: 1, ..Counts::default() });
    assert_eq!(open.finished_at, None);
    let again = claim(store, &WorkerId::generate(), 5).await;
    let of_the_batch: Vec<_> = again.iter().filter(|lease| lease.batch == id).collect();
    assert_eq!(of_the_batch.len(), 2);
    for lease in of_the_batch {
        assert_eq!((lease.attempts, lease.fence), (0, 2));
        finish(store, lease).await;
    }
    assert_eq!(batch(store, id).await.state, BatchState::Completed);
    assert_eq!(
        batches::retry(store, &everybodys(id), Admission::rejecting(2)).await.unwrap(),
        Retried::NothingToRetry
    );
    assert_eq!(
        batches::retry(store, &everybodys(BatchId::generate()), Admission::rejecting(2))
            .await
            .unwrap(),
        Retried::Unknown
    );
    batches::cancel(store, &everybodys(other)).await.unwrap();
}

#[tokio::test]
async fn many_retries_and_submits_at_once_keep_the_limit() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut ended = Vec::new();
    for _ in 0..6 {
        ended.push(submit(store, 0..1).await);
        transition(store, &claim_one(store).await, &failed()).await;
    }
    let outcomes =
        futures::future::join_all(ended.iter().map(async |id| {
            batches::retry(store, &everybodys(*id), Admission::rejecting(3)).await
        }))
        .await;
    let requeued = outcomes
        .into_iter()
        .filter(|outcome| *outcome.as_ref().unwrap() == Retried::Requeued(1))
        .count();
    assert_eq!(requeued, 3);
}

#[tokio::test]
async fn the_first_pin_holds() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    let (first, second) = (Pin { block: 7, block_time: 70 }, Pin { block: 8, block_time: 80 });
    assert_eq!(batches::set_pin(store, id, first).await.unwrap(), first);
    assert_eq!(batches::set_pin(store, id, second).await.unwrap(), first);
    assert_eq!(batch(store, id).await.pin, Some(first));
    assert_eq!(claim_one(store).await.pin, Some(first));
    let unknown = batches::set_pin(store, BatchId::generate(), first).await;
    assert!(matches!(unknown, Err(StoreError::Conflict(_))));
}

#[tokio::test]
async fn the_list_is_newest_first_and_can_be_paged_and_filtered() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(submit(store, n..n + 1).await);
    }
    finish(store, &claim_one(store).await).await;
    claim_one(store).await;
    let newest_first: Vec<BatchId> = ids.iter().rev().copied().collect();
    let page = async |status, after, limit| -> Vec<BatchId> {
        let listed =
            batches::list(store, &Tenant::default(), status, None, after, limit).await.unwrap();
        listed.into_iter().map(|batch| batch.id).collect()
    };
    assert_eq!(page(None, None, 10).await, newest_first);
    assert_eq!(page(None, None, 2).await, newest_first[..2]);
    assert_eq!(page(None, Some(newest_first[1]), 2).await, newest_first[2..4]);
    assert_eq!(page(Some(BatchStatus::Completed), None, 10).await, [ids[0]]);
    assert_eq!(page(Some(BatchStatus::Running), None, 10).await, [ids[1]]);
    assert_eq!(page(Some(BatchStatus::Queued), None, 10).await, newest_first[..3]);
    assert!(page(Some(BatchStatus::Failed), None, 10).await.is_empty());
}

#[tokio::test]
async fn a_batch_that_is_over_can_be_purged_and_is_then_unknown_to_all() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    let job = everybodys(id);
    let others = BatchRef { tenant: "acme".parse().unwrap(), id };
    assert_eq!(batches::purge(store, &job).await.unwrap(), Purged::NotTerminal);
    finish(store, &claim_one(store).await).await;
    assert_eq!(batches::purge(store, &others).await.unwrap(), Purged::Unknown);
    assert!(batches::get(store, &job).await.unwrap().is_some());
    assert_eq!(batches::purge(store, &job).await.unwrap(), Purged::Removed);
    assert!(batches::get(store, &job).await.unwrap().is_none());
    assert!(batches::expired(store, &job).await.unwrap().is_some());
    assert!(batches::expired(store, &others).await.unwrap().is_none());
    assert_eq!(batches::purge(store, &job).await.unwrap(), Purged::Unknown);
    let again = batches::retry(store, &job, Admission::rejecting(10)).await.unwrap();
    assert_eq!(again, Retried::Unknown);
}
