//! Retention while wallets are worked on.

use std::time::Duration;

use job_orchestrator::{Metrics, care};
use load_tests::{FaultKind, Faults};
use persistence_layer::Store;
use persistence_layer::batches;
use persistence_layer::test_util::retention_rules;
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{World, eventually, everybodys, gauge, made_up, reporter, result};

/// A process that takes care, and what it counts.
struct Carer {
    registry: Registry,
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

impl Carer {
    fn start(store: Store) -> Self {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).expect("a registry of its own");
        let stop = CancellationToken::new();
        let pause = Duration::from_secs(1);
        let pauses = care::Pauses { retention: pause, summary: pause };
        let handle = care::start(store, retention_rules(7), pauses, metrics, stop.clone());
        Self { registry, stop, handle }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.handle.await.expect("it ends by itself");
    }

    /// Rows of a kind that it has removed.
    fn removed(&self, kind: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == "retention_removed_rows_total");
        let rows = family.and_then(|family| {
            let of_kind = |metric: &&prometheus::proto::Metric| {
                metric.get_label().iter().any(|label| label.value() == kind)
            };
            family.get_metric().iter().find(of_kind).map(|one| one.get_counter().get_value())
        });
        format!("{}", rows.unwrap_or(0.0)).parse().expect("a whole number")
    }
}

/// Makes what is stored older than every limit.
async fn age(world: &World) {
    for statement in [
        "update batches set created_at = created_at - interval '31 days',
             finished_at = finished_at - interval '31 days'",
        "update raw_transactions set stored_at = stored_at - interval '31 days',
             used_at = used_at - interval '31 days'",
        "update address_scans set updated_at = updated_at - interval '31 days'",
        "update balance_snapshots set taken_at = taken_at - interval '31 days'",
    ] {
        world.database.execute(statement).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_job_goes_while_another_of_its_wallets_runs_and_comes_out_equal() {
    let mut world = World::new(made_up(3, 60)).await;
    world.settings.call_timeout_seconds = 5;
    let worker = world.worker().await;
    let reporting = CancellationToken::new();
    let reporter = reporter(world.store().clone(), Some(&worker)).start(reporting.clone());
    let wallets = world.node.chain().synthetic_wallets();
    let old = world.submit(&wallets).await;
    world.until_done(old).await;
    let before: Vec<_> = world.rows(old).await.iter().map(result).collect();
    age(&world).await;
    world.node.set_faults(Faults::always(FaultKind::Hang));
    let open = world.submit(&wallets).await;
    world.until(open, |batch| batch.counts.running == 3).await;

    let carers = [
        Carer::start(world.database.second_store().await),
        Carer::start(world.database.second_store().await),
    ];
    let gone = async || {
        // Its rows go when nobody can be reading them any more.
        let older = "update expired_batches set expired_at = expired_at - interval '10 minutes'";
        world.database.execute(older).await;
        let left = world
            .database
            .number(
                "select (select count(*) from raw_transactions) + (select count(*) from batches)",
            )
            .await;
        (left == 1).then_some(())
    };
    assert!(eventually(gone).await.is_some(), "the old job and what it used stay");
    assert!(batches::get(world.store(), &everybodys(old)).await.unwrap().is_none());
    assert!(batches::expired(world.store(), &everybodys(old)).await.unwrap().is_some());
    assert!(batches::expired(world.store(), &everybodys(open)).await.unwrap().is_none());
    assert!(world.rows(old).await.is_empty());

    // The open one reads anew what it misses, while runs go on beside it.
    world.node.set_faults(Faults::default());
    world.until_done(open).await;
    let after: Vec<_> = world.rows(open).await.iter().map(result).collect();
    assert_eq!(after, before);

    let finished = async || {
        let ran = |carer: &Carer| gauge_is_set(&carer.registry);
        carers.iter().any(ran).then_some(())
    };
    assert!(eventually(finished).await.is_some(), "no run is told as finished");
    let removed = |kind| carers.iter().map(|carer| carer.removed(kind)).sum::<u64>();
    assert_eq!(removed("batches"), 1);
    // Three wallets and their batch.
    assert_eq!(removed("wallet_tasks"), 4);
    assert!(removed("raw_transactions") >= 60, "{}", removed("raw_transactions"));
    for carer in carers {
        carer.stop().await;
    }
    worker.stop().await;
    reporting.cancel();
    reporter.await.unwrap();
}

fn gauge_is_set(registry: &Registry) -> bool {
    gauge(registry, "retention_last_run_timestamp_seconds") > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn care_goes_on_after_a_database_that_refused_it_and_after_a_process_that_was_killed() {
    let world = World::new(made_up(3, 20)).await;
    let worker = world.worker().await;
    let old = world.submit(&world.node.chain().synthetic_wallets()).await;
    world.until_done(old).await;
    worker.stop().await;
    age(&world).await;

    // As an earlier run left it: over for clients, and its rows may go.
    let tombstone = "insert into expired_batches (id, chain, finished_at, expired_at)
        select id, chain, finished_at, now() - interval '1 hour' from batches";
    world.database.execute(tombstone).await;
    world.database.execute("alter table latest_results rename to hidden").await;
    let rollbacks = "select xact_rollback from pg_stat_database where datname = current_database()";
    let so_far = world.database.number(rollbacks).await;
    let killed = Carer::start(world.database.second_store().await);
    let lasting = Carer::start(world.database.second_store().await);
    // Its removal fails, again and again.
    let failed = async || (world.database.number(rollbacks).await >= so_far + 3).then_some(());
    assert!(eventually(failed).await.is_some());
    assert!(batches::expired(world.store(), &everybodys(old)).await.unwrap().is_some());
    assert!(!gauge_is_set(&lasting.registry), "a run that failed is none");
    killed.handle.abort();
    assert!(!lasting.handle.is_finished());

    world.database.execute("alter table hidden rename to latest_results").await;
    let done = async || gauge_is_set(&lasting.registry).then_some(());
    assert!(eventually(done).await.is_some(), "the run is never finished");
    assert_eq!(lasting.removed("wallet_tasks"), 4);
    assert_eq!(world.database.number("select count(*) from wallet_tasks").await, 0);
    assert_eq!(world.database.number("select count(*) from batches").await, 0);
    lasting.stop().await;
}
