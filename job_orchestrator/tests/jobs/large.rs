//! A long history: what it takes, in time and in memory. Run by hand (`--ignored`), with
//! `LARGE_TRANSACTIONS` for another length than the default one.

use std::time::{Duration, Instant};

use persistence_layer::wallet_tasks;

use crate::support::{World, made_up};

/// Megabytes of memory that this process holds now.
fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells it");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("there is one");
    let kilobytes: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("kB");
    kilobytes / 1024
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; prints figures"]
async fn a_long_history_in_figures() {
    let transactions =
        std::env::var("LARGE_TRANSACTIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let limit = std::env::var("LARGE_LIMIT").ok().and_then(|n| n.parse().ok()).unwrap_or(180);
    let mut world = World::new(made_up(1, transactions)).await;
    world.settings.wallet_timeout_seconds = limit;
    world.settings.lease_seconds = 30;
    let wallets = world.node.chain().synthetic_wallets();
    let idle = resident_megabytes();
    let worker = world.worker().await;
    let id = world.submit(&wallets).await;
    let begun = Instant::now();
    let mut peak = 0;
    let mut shown = Instant::now();
    loop {
        let now = resident_megabytes();
        peak = peak.max(now);
        if shown.elapsed() > Duration::from_secs(5) {
            shown = Instant::now();
            println!("{:6.1} s {now} MB", begun.elapsed().as_secs_f64());
        }
        let batch = world.batch(id).await;
        if batch.state.is_terminal() {
            println!("{:?}", batch.counts);
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let attempts = world.database.number("select count(*) from wallet_attempts").await;
    println!(
        "{transactions} transactions: {seconds:.1} s, {attempts} attempts, idle {idle} MB, peak {peak} MB"
    );
    let _ = wallet_tasks::queue_counts(world.store()).await;
    worker.stop().await;
}
