//! What processes say of themselves while they work, and that it goes when they stop.

use load_tests::{FaultKind, Faults};
use persistence_layer::processes::{self, SeenProcess};
use pnl_core::Chain;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{TestWorker, World, eventually, made_up, reporter};

/// Waits until exactly one process is seen, as wanted.
async fn seen(world: &World, wanted: impl Fn(&SeenProcess) -> bool) -> SeenProcess {
    let look = async || {
        let mut live = processes::live(world.store()).await.ok()?;
        (live.len() == 1).then(|| live.remove(0)).filter(&wanted)
    };
    match eventually(look).await {
        Some(process) => process,
        None => panic!("never as wanted: {:?}", processes::live(world.store()).await),
    }
}

async fn take_back(stop: CancellationToken, reporting: JoinHandle<()>) {
    stop.cancel();
    reporting.await.expect("the reporter ends by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_process_reports_what_it_does_until_it_stops() {
    let mut world = World::new(made_up(2, 20)).await;
    world.settings.call_timeout_seconds = 5;
    world.node.set_faults(Faults::always(FaultKind::Hang));
    let worker: TestWorker = world.worker().await;
    let stop = CancellationToken::new();
    let reporting = reporter(world.store().clone(), Some(&worker)).start(stop.clone());
    let wallets = world.node.chain().synthetic_wallets();
    world.submit(&wallets).await;

    let busy = seen(&world, |process| process.report.slots_in_use == 2).await;
    let report = &busy.report;
    assert_eq!(report.id, worker.worker.status().worker);
    assert_eq!((report.role.as_str(), report.redis.as_str()), ("all", "absent"));
    assert_eq!((report.pid, report.slots), (std::process::id(), world.settings.wallet_permits));
    assert!(!report.host.is_empty());
    let mut running: Vec<_> = report.wallets.as_array().unwrap().iter().collect();
    running.sort_by_key(|wallet| wallet["task"].as_i64());
    for (row, wallet) in running.iter().zip(&wallets) {
        assert_eq!(
            (row["wallet"].as_str(), &row["chain"]),
            (Some(wallet.as_str()), &"solana".into())
        );
        assert!(row["since"].as_str().unwrap() >= row["claimed"].as_str().unwrap(), "{row}");
    }
    assert_eq!(report.providers["solana"][0]["name"], "recorded", "{}", report.providers);
    assert_eq!(report.gates.as_array().map(Vec::len), Some(0));

    // A node that is down closes the gate of its chain, and the report says why.
    world.node.set_faults(Faults { down: true, ..Faults::default() });
    let paused = seen(&world, |process| process.report.gates[0]["chain"] == "solana").await;
    assert!(paused.seen_at > busy.seen_at);
    assert!(!paused.report.gates[0]["detail"].as_str().unwrap().is_empty());
    let provider = &paused.report.providers[Chain::Solana.as_str()][0];
    assert!(provider["errors"].as_u64() > Some(0), "{provider}");

    // A report that is lost comes back with the next one, and goes with the process.
    processes::remove(world.store(), &report.id).await.unwrap();
    assert_eq!(seen(&world, |_| true).await.report.id, report.id);
    worker.stop().await;
    take_back(stop, reporting).await;
    assert_eq!(world.database.number("select count(*) from processes").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_worker_reports_too_also_after_the_table_could_not_be_written() {
    let world = World::new(made_up(1, 1)).await;
    world.database.execute("alter table processes rename to hidden").await;
    let stop = CancellationToken::new();
    let reporting = reporter(world.store().clone(), None).start(stop.clone());
    let failed = "select xact_rollback from pg_stat_database where datname = current_database()";
    let has_failed = async || (world.database.number(failed).await > 0).then_some(());
    assert!(eventually(has_failed).await.is_some());
    world.database.execute("alter table hidden rename to processes").await;
    let report = seen(&world, |_| true).await.report;
    assert_eq!((report.role.as_str(), report.slots, report.slots_in_use), ("api", 0, 0));
    assert_eq!(report.wallets, serde_json::json!([]));
    take_back(stop, reporting).await;
    assert_eq!(world.database.number("select count(*) from processes").await, 0);
}
