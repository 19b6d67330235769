//! Workers and batches side by side.

use job_orchestrator::{Analysis, BatchError, TimeRange};
use load_tests::Faults;
use persistence_layer::batches::BatchState;
use persistence_layer::wallet_tasks::TaskState;
use tokio_util::sync::CancellationToken;

use crate::support::{
    World, eventually, everybodys, gauge, job_id, made_up, request, result, store_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_a_batch_and_never_hold_more_than_their_slots() {
    let mut world = World::new(made_up(20, 40)).await;
    world.settings.wallet_permits = 3;
    // A lease that lapses on a busy machine frees its slot before its task is taken over.
    world.settings.lease_seconds = 30;
    world.node.set_faults(Faults { latency_ms: Some((2, 10)), ..Faults::default() });
    let workers = [world.worker().await, world.worker().await];
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let over = async || {
        for worker in &workers {
            assert!(worker.worker.status().slots_in_use <= 3);
        }
        let batch = world.batch(id).await;
        assert!(batch.counts.running <= 6);
        batch.state.is_terminal().then_some(batch)
    };
    let batch = eventually(over).await.expect("the batch ends");
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(batch.counts.done, 20);
    assert_eq!(world.database.number("select count(*) from wallet_attempts").await, 20);
    let shared = "select count(distinct worker) from wallet_attempts";
    assert_eq!(world.database.number(shared).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_in_use_show_in_the_gauge_and_take_two_connections_each_at_most() {
    let world = World::new(made_up(15, 150)).await;
    world.node.set_faults(Faults { latency_ms: Some((2, 10)), ..Faults::default() });
    // A database may be used through any pool: this one has room for far more than is needed.
    let wide = store_of(world.database.url(), 60).await;
    let (worker, registry) = world.worker_on(wide.clone()).await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let mut most = 0;
    loop {
        let used = gauge(&registry, "wallet_slots_in_use");
        assert!(used <= world.settings.wallet_permits);
        most = most.max(used);
        if world.batch(id).await.state.is_terminal() {
            break;
        }
    }
    assert_eq!(most, world.settings.wallet_permits);
    assert!(wide.pool().size <= 2 * world.settings.wallet_permits, "{:?}", wide.pool());
    worker.stop().await;
    assert_eq!(gauge(&registry, "wallet_slots_in_use"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cut_off_from_the_database_gives_its_wallets_up() {
    let world = World::new(made_up(4, 200)).await;
    world.node.set_faults(Faults { latency_ms: Some((20, 40)), ..Faults::default() });
    let doomed_store = store_of(world.database.url(), 10).await;
    let (doomed, registry) = world.worker_on(doomed_store.clone()).await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    world.until(id, |batch| batch.counts.running == 4).await;
    doomed_store.close().await;
    let idle = async || (gauge(&registry, "wallet_slots_in_use") == 0).then_some(());
    assert!(eventually(idle).await.is_some());
    let other = world.worker().await;
    world.until_done(id).await;
    other.stop().await;
    doomed.stop().await;
    assert_eq!(world.database.number("select sum(attempts) from wallet_tasks").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_in_two_batches_is_fetched_once_and_gives_the_same_bytes() {
    let world = World::new(made_up(2, 300)).await;
    let wallets = world.node.chain().synthetic_wallets();
    world.node.set_faults(Faults { latency_ms: Some((1, 5)), ..Faults::default() });
    let (first, second) = (world.submit(&wallets).await, world.submit(&wallets).await);
    let workers = [world.worker().await, world.worker().await];
    world.until_done(first).await;
    world.until_done(second).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(world.node.stats().calls_of("getTransaction"), 600);
    for (one, other) in world.rows(first).await.iter().zip(world.rows(second).await) {
        assert_eq!(one.report_json, other.report_json);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fourth_batch_is_refused_until_one_has_ended() {
    let world = World::new(made_up(1, 5)).await;
    let wallets = world.node.chain().synthetic_wallets();
    for _ in 0..3 {
        world.submit(&wallets).await;
    }
    let fourth = world.batches().submit(request(&wallets, Analysis::default())).await;
    let error = fourth.expect_err("three batches are active");
    assert!(matches!(error, BatchError::AtCapacity { limit: 3 }));
    assert_eq!(
        error.to_string(),
        "System is currently processing maximum concurrent batch jobs (3). Please try again in a \
         few minutes."
    );
    let worker = world.worker().await;
    let accepted =
        async || world.batches().submit(request(&wallets, Analysis::default())).await.ok();
    let accepted = eventually(accepted).await.expect("a place becomes free");
    world.until_done(job_id(&accepted.body)).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_history_is_done_with_zeros_and_complete() {
    let world = World::new(made_up(1, 5)).await;
    let nobody = "7zZNQkXqGkWm5rR3c6c7i6iQ4wN9dYkYcY7o8sZxKq1A".to_owned();
    let row = world.run(&[nobody]).await.remove(0);
    let result = result(&row);
    assert_eq!(result["total_pnl_usd"], "0");
    assert_eq!(result["transactions"], 0);
    assert_eq!(result["tokens"], serde_json::json!([]));
    assert_eq!(result["unexplained_raw"], serde_json::json!([]));
    assert_eq!(result["coverage"]["complete"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_batch_can_be_retried_with_its_pin() {
    let mut world = World::new(made_up(2, 5)).await;
    world.settings.max_attempts = 1;
    let wallets = world.node.chain().synthetic_wallets();
    let only = Some("getTransaction".to_owned());
    let broken = Faults::always(load_tests::FaultKind::Garbage);
    world.node.set_faults(Faults { only, ..broken });
    let worker = world.worker().await;
    let id = world.submit(&wallets).await;
    let failed = world.until_over(id).await;
    assert_eq!(failed.state, BatchState::Failed);
    let running = world.batches().retry(&everybodys(world.submit(&wallets).await)).await;
    assert!(matches!(running, Err(BatchError::NotTerminal)));
    world.node.set_faults(Faults::default());
    assert_eq!(world.batches().retry(&everybodys(id)).await.unwrap(), 2);
    world.until_done(id).await;
    worker.stop().await;
    assert_eq!(world.batch(id).await.pin, failed.pin);
    assert_eq!(world.batches().retry(&everybodys(id)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_counts_what_is_inside_and_keeps_the_lots() {
    let world = World::new(made_up(1, 400)).await;
    let wallets = world.node.chain().synthetic_wallets();
    let hour = TimeRange::Preset(job_orchestrator::Preset::Hour);
    let worker = world.worker().await;
    let whole = world.submit(&wallets).await;
    let windowed =
        world.submit_as(&wallets, Analysis { time_range: hour, ..Analysis::default() }).await;
    world.until_done(whole).await;
    world.until_done(windowed).await;
    worker.stop().await;
    let whole = result(&world.rows(whole).await[0]);
    let windowed = result(&world.rows(windowed).await[0]);
    // A transaction every 20 s, the pin 12 s after the last one: 3,588 s before it hold 179 more.
    assert_eq!((&whole["transactions"], &windowed["transactions"]), (&400.into(), &180.into()));
    assert_eq!(whole["tokens"][0]["basis_usd"], windowed["tokens"][0]["basis_usd"]);
    assert_eq!(whole["unrealized_gain_usd"], windowed["unrealized_gain_usd"]);
    assert_ne!(whole["fees_usd"], windowed["fees_usd"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_analysis_shows_its_progress_and_gives_every_row() {
    let world = World::new(made_up(3, 30)).await;
    let request = request(&world.node.chain().synthetic_wallets(), Analysis::default());
    let mut shown = Vec::new();
    let rows = job_orchestrator::tools::analyze(
        world.deps().await,
        &world.batches(),
        request,
        CancellationToken::new(),
        |batch| shown.push(batch.counts.done),
    )
    .await
    .expect("the analysis ends");
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.state == TaskState::Done));
    assert_eq!(shown.last(), Some(&3));
}
