//! Attempts that end without a result, and what they cost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use load_tests::{FaultKind, Faults};
use persistence_layer::batches::BatchState;
use persistence_layer::wallet_tasks::TaskState;
use pnl_core::{Address, TxId};

use crate::meddling::Meddling;
use crate::support::{TestWorker, World, eventually, everybodys, made_up};

const COSTLY: &str = "select sum(attempts) from wallet_tasks";

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_with_progress_goes_on_where_it_stopped_and_is_free() {
    let mut world = World::new(made_up(1, 300)).await;
    world.settings.wallet_timeout_seconds = 5;
    world.node.set_faults(Faults { latency_ms: Some((150, 200)), ..Faults::default() });
    let rows = world.run(&world.node.chain().synthetic_wallets()).await;
    assert_eq!(rows[0].state, TaskState::Done, "{:?}", rows[0]);
    let continued = "select count(*) from wallet_attempts where outcome = 'continued'";
    let continued = world.database.number(continued).await;
    assert!(continued >= 1);
    assert_eq!(world.database.number("select count(*) from wallet_attempts").await, continued + 1);
    assert_eq!(world.database.number(COSTLY).await, 0);
    let lost = u64::try_from(continued).unwrap() * 108;
    assert!(world.node.stats().calls_of("getTransaction") <= 300 + lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_provider_times_a_wallet_out_at_the_third_attempt_and_frees_the_slot() {
    let mut world = World::new(made_up(1, 5)).await;
    world.settings.wallet_timeout_seconds = 1;
    world.node.set_faults(Faults::always(FaultKind::Hang));
    let worker = world.worker().await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let batch = world.until_over(id).await;
    assert_eq!((batch.state, batch.counts.timed_out), (BatchState::Failed, 1));
    let free = async || (worker.worker.status().slots_in_use == 0).then_some(());
    assert!(eventually(free).await.is_some());
    worker.stop().await;
    let row = world.rows(id).await.remove(0);
    let error = row.error.expect("a timed-out wallet says why");
    assert_eq!((error.code.as_str(), error.retryable), ("timed-out", true));
    assert_eq!(error.detail, "the attempt timed out after 1 second");
    assert_eq!(row.attempts, 3);
    assert_eq!(world.database.number("select count(*) from wallet_attempts").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_asks_to_wait_is_waited_for_at_no_cost() {
    let world = World::new(made_up(1, 5)).await;
    world
        .node
        .set_faults(Faults { retry_after: "2".to_owned(), ..Faults::first(1, FaultKind::Http429) });
    let worker = world.worker().await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    world.until(id, |batch| batch.waiting.provider_throttled == 1).await;
    world.until_done(id).await;
    worker.stop().await;
    assert_eq!(world.database.number(COSTLY).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_down_pauses_its_wallets_until_it_answers_again() {
    let world = World::new(made_up(3, 5)).await;
    world.node.set_faults(Faults { down: true, ..Faults::default() });
    let worker = world.worker().await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let paused = async || {
        let status = worker.worker.status();
        (!status.paused.is_empty() && status.slots_in_use == 0).then_some(())
    };
    assert!(eventually(paused).await.is_some());
    let claims = world.database.number("select count(*) from wallet_attempts").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let later = world.database.number("select count(*) from wallet_attempts").await;
    assert_eq!(later, claims, "nothing is claimed while the gate is closed");

    world.node.set_faults(Faults::default());
    world.until_done(id).await;
    worker.stop().await;
    assert_eq!(world.database.number(COSTLY).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_outage_limit_wallets_fail_and_say_that_the_provider_was_out() {
    let mut world = World::new(made_up(2, 5)).await;
    world.settings.outage_limit_minutes = 0;
    world.node.set_faults(Faults { down: true, ..Faults::default() });
    let rows = world.run(&world.node.chain().synthetic_wallets()).await;
    for row in rows {
        assert_eq!(row.state, TaskState::Failed);
        assert_eq!(row.error.unwrap().code, "provider-outage");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_transaction_that_no_node_has_fails_the_wallet_and_is_no_empty_history() {
    let world = World::new(made_up(1, 5)).await;
    let only = Some("getTransaction".to_owned());
    world.node.set_faults(Faults { only, ..Faults::always(FaultKind::NullResult) });
    let row = world.run(&world.node.chain().synthetic_wallets()).await.remove(0);
    assert_eq!(row.state, TaskState::Failed);
    assert_eq!(row.error.unwrap().code, "transaction-not-found");
    assert_eq!(row.attempts, 3);
    assert_eq!(row.report_json, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_ends_when_its_running_wallets_have_stopped() {
    let mut world = World::new(made_up(4, 5)).await;
    world.settings.wallet_permits = 2;
    world.node.set_faults(Faults::always(FaultKind::Hang));
    let worker = world.worker().await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    world.until(id, |batch| batch.counts.running == 2).await;
    let batch = world.batches().cancel(&everybodys(id)).await.unwrap();
    assert!(batch.cancel_requested);
    let batch = world.until_over(id).await;
    assert_eq!((batch.state, batch.counts.cancelled), (BatchState::Cancelled, 4));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_worker_releases_what_does_not_end_in_its_grace() {
    let mut world = World::new(made_up(2, 5)).await;
    world.settings.shutdown_grace_seconds = 1;
    world.node.set_faults(Faults::always(FaultKind::Hang));
    let worker = world.worker().await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    world.until(id, |batch| batch.counts.running == 2).await;
    worker.stop().await;
    let batch = world.batch(id).await;
    assert_eq!((batch.counts.queued, batch.counts.running), (2, 0));
    let released = "select count(*) from wallet_attempts where outcome = 'released'";
    assert_eq!(world.database.number(released).await, 2);

    world.node.set_faults(Faults::default());
    let next = world.worker().await;
    world.until_done(id).await;
    next.stop().await;
    assert_eq!(world.database.number(COSTLY).await, 0);
}

/// The work on one wallet panics.
struct Panicking(Address);

#[async_trait]
impl Meddling for Panicking {
    async fn before_snapshot(&self, wallet: &Address) {
        assert_ne!(*wallet, self.0, "the work on this wallet panics on purpose");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_wallet_and_nothing_else() {
    let world = World::new(made_up(4, 20)).await;
    let wallets = world.node.chain().synthetic_wallets();
    let wallet = Address::from_chain_data(&wallets[1]);
    let worker = TestWorker::start(world.meddled(Panicking(wallet)).await);
    let id = world.submit(&wallets).await;
    let batch = world.until_over(id).await;
    assert_eq!(batch.state, BatchState::CompletedWithErrors);
    assert_eq!((batch.counts.done, batch.counts.failed), (3, 1));
    worker.stop().await;
    let row = &world.rows(id).await[1];
    assert_eq!(row.error.as_ref().unwrap().code, "internal");
}

/// Every wallet has the transactions of `listed`, and the first one that is asked for never comes.
struct HangingOnce {
    listed: Address,
    hung: AtomicBool,
}

#[async_trait]
impl Meddling for HangingOnce {
    fn listed_for(&self, _: &Address) -> Address {
        self.listed.clone()
    }
    async fn before_transaction(&self, _: &TxId) {
        if !self.hung.swap(true, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_another_wallet_that_hangs_is_not_waited_for_to_the_time_limit() {
    let mut world = World::new(made_up(2, 30)).await;
    world.settings.shutdown_grace_seconds = 1;
    let wallets = world.node.chain().synthetic_wallets();
    let listed = Address::from_chain_data(&wallets[0]);
    let source = HangingOnce { listed, hung: AtomicBool::new(false) };
    let worker = TestWorker::start(world.meddled(source).await);
    let begun = std::time::Instant::now();
    let id = world.submit(&wallets).await;
    world.until(id, |batch| batch.counts.done == 1).await;
    let limit = world.settings.wallet_timeout();
    assert!(begun.elapsed() < limit / 2, "{:?}", begun.elapsed());
    assert_eq!(world.node.stats().calls_of("getTransaction"), 30, "only the hanging call twice");
    assert_eq!(world.database.number(COSTLY).await, 0);
    worker.stop().await;
}
