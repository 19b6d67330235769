//! Workers that die, at any point, without a word.

use std::time::Duration;

use load_tests::{FaultKind, Faults, RecordedChain};

use crate::support::{World, eventually, everybodys, fixtures, llama_prices, made_up, price_table};

const TRANSACTIONS: u64 = 2_500;
/// What one death can lose of fetched transactions: one commit and the calls in flight.
const LOST_AT_MOST: u64 = 100 + 8;

async fn world() -> World {
    let table = price_table();
    let chain = made_up(1, TRANSACTIONS).with_prices(table.path()).unwrap();
    let mut world = World::new(chain).await;
    world.prices = llama_prices(&world.node, &world.settings);
    world
}

fn hang(only: &str) -> Faults {
    Faults { only: Some(only.to_owned()), ..Faults::always(FaultKind::Hang) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_every_stage_loses_nothing_and_changes_nothing() {
    let undisturbed = world().await;
    let wallets = undisturbed.node.chain().synthetic_wallets();
    let expected = undisturbed.run(&wallets).await.remove(0).report_json;
    assert!(expected.is_some());
    assert_eq!(undisturbed.node.stats().calls_of("getTransaction"), TRANSACTIONS);
    assert_eq!(undisturbed.node.stats().calls_of("getSignaturesForAddress"), 3);

    let world = world().await;
    let id = world.submit(&wallets).await;
    // Where the worker hangs when it is killed: pin, balances, first page, second page, first
    // transaction, and two hours whose prices the ledger needs.
    let points = [
        "getSlot",
        "getBalance",
        "getSignaturesForAddress",
        "\"before\"",
        "getTransaction",
        "historical/1704067200",
        "historical/1704096000",
    ];
    for point in points {
        world.node.set_faults(hang(point));
        let before = world.node.stats().faults_given();
        let worker = world.worker().await;
        let struck = async || (world.node.stats().faults_given() > before).then_some(());
        eventually(struck).await.unwrap_or_else(|| panic!("never got to {point}"));
        worker.kill().await;
    }
    // In the middle of everything, wherever that is.
    for milliseconds in [150, 300, 600] {
        world.node.set_faults(Faults::default());
        let claims = "select count(*) from wallet_attempts";
        let before = world.database.number(claims).await;
        let worker = world.worker().await;
        // As soon as the lease of the one before has run out, unless that one was quick enough.
        let claimed = async || {
            let results = world.database.number("select count(*) from pnl_results").await;
            (results == 1 || world.database.number(claims).await > before).then_some(())
        };
        eventually(claimed).await.unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        worker.kill().await;
    }
    let worker = world.worker().await;
    world.until_done(id).await;
    worker.stop().await;

    let rows = world.rows(id).await;
    assert_eq!(rows[0].report_json, expected);
    let attempts = world.database.number("select count(*) from wallet_attempts").await;
    let died = "select count(*) from wallet_attempts where outcome = 'lease_expired'";
    assert_eq!(world.database.number(died).await, attempts - 1);
    assert!(attempts > points.len() as i64, "{attempts} attempts");
    assert_eq!(world.database.number("select count(*) from pnl_results").await, 1);
    let deaths = u64::try_from(attempts).unwrap();
    let asked = world.node.stats().calls_of("getTransaction");
    assert!(asked <= TRANSACTIONS + deaths * LOST_AT_MOST, "{asked} getTransaction");
}

/// The ledger needs the prices of every hour in turn: a call for one of them that hangs stops it in
/// each of its chunks.
#[tokio::test(flavor = "multi_thread")]
async fn books_interrupted_in_every_chunk_are_those_that_never_were() {
    let undisturbed = world().await;
    let wallets = undisturbed.node.chain().synthetic_wallets();
    let expected = undisturbed.run(&wallets).await.remove(0).report_json;

    let mut world = world().await;
    world.settings.lease_seconds = 1;
    let id = world.submit(&wallets).await;
    let mut chunks = Vec::new();
    for hour in 0..14 {
        world.node.set_faults(hang(&format!("historical/{}", 1_704_067_200 + hour * 3600)));
        let before = world.node.stats().faults_given();
        let worker = world.worker().await;
        let struck = async || (world.node.stats().faults_given() > before).then_some(());
        eventually(struck).await.unwrap_or_else(|| panic!("never got to hour {hour}"));
        worker.kill().await;
        let kept = "select coalesce(max(chunks), 0)::bigint from ledger_checkpoints";
        chunks.push(world.database.number(kept).await);
    }
    world.node.set_faults(Faults::default());
    let looked = world.node.stats().calls_of("getSignaturesForAddress");
    assert!(chunks.is_sorted() && chunks[0] == 0, "{chunks:?}");
    // Each chunk is 4,000 seconds long, so every hour but some is in another one.
    chunks.dedup();
    assert!(chunks.len() >= 12, "{chunks:?}");
    let ledgers = world.database.number("select count(*) from ledgers").await;
    assert_eq!(ledgers, 1, "all attempts have written one ledger");

    let worker = world.worker().await;
    world.until_done(id).await;
    worker.stop().await;
    let rows = world.rows(id).await;
    assert_eq!(rows[0].report_json, expected);
    assert_eq!(world.node.stats().calls_of("getSignaturesForAddress"), looked);
    assert_eq!(world.database.number("select sum(attempts) from wallet_tasks").await, 0);
    let chunks_of_it = "select count(*) from ledger_chunks";
    assert_eq!(world.database.number(chunks_of_it).await, 13);
}

/// A history that ends inside of a chunk leaves where it stood before that one, and the next attempt books the
/// part of it anew: the result cannot be stored at first.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_ends_inside_of_a_chunk_goes_on_before_it() {
    const WHOLE_CHUNKS: i64 = 5;
    let plan = load_tests::SyntheticPlan { transactions_each: TRANSACTIONS, ..Default::default() };
    // 20 seconds apart, 200 in a chunk: half of the sixth.
    let as_of = plan.times().0 + 20 * (200 * WHOLE_CHUNKS + 100);
    let time_range = job_orchestrator::request::TimeRange::default().up_to(as_of).unwrap();
    let analysis = job_orchestrator::Analysis { time_range, ..Default::default() };
    let undisturbed = world().await;
    let wallets = undisturbed.node.chain().synthetic_wallets();
    let worker = undisturbed.worker().await;
    let id = undisturbed.submit_as(&wallets, analysis.clone()).await;
    undisturbed.until_done(id).await;
    worker.stop().await;
    let expected = undisturbed.rows(id).await.remove(0).report_json;

    let mut world = world().await;
    world.settings.backoff_seconds = 1;
    let refuse = "create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'not now'; end $$";
    world.database.execute(refuse).await;
    let trigger = "create trigger refusing before insert on pnl_results_solana
        for each row execute function refuse()";
    world.database.execute(trigger).await;
    let worker = world.worker().await;
    let id = world.submit_as(&wallets, analysis).await;
    let failed = "select count(*) from wallet_attempts where outcome = 'backoff'";
    let refused = async || (world.database.number(failed).await > 0).then_some(());
    eventually(refused).await.expect("the first result is refused");
    let kept = "select max(chunks)::bigint from ledger_checkpoints";
    assert_eq!(world.database.number(kept).await, WHOLE_CHUNKS);
    world.database.execute("drop trigger refusing on pnl_results_solana").await;
    world.until_done(id).await;
    worker.stop().await;
    assert_eq!(world.rows(id).await[0].report_json, expected);
}

/// What a dead worker has left, made unreadable or made under other settings, is made anew.
#[tokio::test(flavor = "multi_thread")]
async fn odd_work_that_was_left_costs_no_attempt_and_changes_nothing() {
    let undisturbed = world().await;
    let wallets = undisturbed.node.chain().synthetic_wallets();
    let expected = undisturbed.run(&wallets).await.remove(0).report_json;
    let odd = [
        "update ledger_checkpoints set state = 'odd'",
        "update wallet_plan_pages set payload = 'odd' where no = 2",
        "update wallet_plans set head = '[]'",
        // Chunks of another ledger that nobody with these settings may go on with.
        "update ledger_checkpoints set made_by = 'other', state = 'odd'",
    ];
    for change in odd {
        let world = world().await;
        let id = world.submit(&wallets).await;
        world.node.set_faults(hang(&format!("historical/{}", 1_704_067_200 + 4 * 3600)));
        let worker = world.worker().await;
        let struck = async || (world.node.stats().faults_given() > 0).then_some(());
        eventually(struck).await.expect("it gets to the fifth hour");
        worker.kill().await;
        assert!(world.database.execute(change).await > 0, "{change}");

        world.node.set_faults(Faults::default());
        let worker = world.worker().await;
        world.until_done(id).await;
        worker.stop().await;
        assert_eq!(world.rows(id).await[0].report_json, expected, "{change}");
        let costly = "select sum(attempts) from wallet_tasks";
        assert_eq!(world.database.number(costly).await, 0, "{change}");
    }
}

/// Attempts that end by their time limit in whatever stage go on where they stood, and cost nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_wallet_is_done_over_many_short_attempts() {
    const MANY: u64 = 1_500;
    let undisturbed = World::new(made_up(1, MANY)).await;
    let wallets = undisturbed.node.chain().synthetic_wallets();
    let expected = undisturbed.run(&wallets).await.remove(0).report_json;

    let mut world = World::new(made_up(1, MANY)).await;
    world.settings.wallet_timeout_seconds = 8;
    world.node.set_faults(Faults { latency_ms: Some((60, 80)), ..Faults::default() });
    let worker = world.worker().await;
    let id = world.submit(&wallets).await;
    world.until_done(id).await;
    worker.stop().await;
    let rows = world.rows(id).await;
    assert_eq!(rows[0].report_json, expected);
    let continued = "select continuations::bigint from wallet_tasks where attempts = 0";
    assert!(world.database.number(continued).await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_among_many_wallets_leaves_them_to_another() {
    let world = World::new(made_up(12, 120)).await;
    let wallets = world.node.chain().synthetic_wallets();
    let expected: Vec<_> = {
        let undisturbed = World::new(made_up(12, 120)).await;
        undisturbed.run(&wallets).await.into_iter().map(|row| row.report_json).collect()
    };
    // Whatever takes how long: both have something to finish. The first two ends are of the one that begins alone, and one wallet
    // is left for the other.
    world.node.set_faults(hang(&wallets[0]));
    let id = world.submit(&wallets).await;
    let doomed = world.worker().await;
    world.until(id, |batch| batch.counts.done >= 2).await;
    let other = world.worker().await;
    doomed.kill().await;
    world.node.set_faults(Faults { latency_ms: Some((5, 15)), ..Faults::default() });
    world.until_done(id).await;
    other.stop().await;

    let found: Vec<_> = world.rows(id).await.into_iter().map(|row| row.report_json).collect();
    assert_eq!(found, expected);
    let workers = "select count(distinct worker) from wallet_attempts where outcome = 'done'";
    assert_eq!(world.database.number(workers).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_to_the_database_cost_no_attempt() {
    let world = World::new(made_up(3, 400)).await;
    let wallets = world.node.chain().synthetic_wallets();
    world.node.set_faults(Faults { latency_ms: Some((5, 10)), ..Faults::default() });
    let worker = world.worker().await;
    let id = world.submit(&wallets).await;
    world.until(id, |batch| batch.counts.running > 0).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()";
        world.database.number(cut).await;
    }
    // The test's own connections were cut, too: its first look may fail.
    let over = async || {
        let batch = persistence_layer::batches::get(world.store(), &everybodys(id)).await;
        batch.ok().flatten().filter(|batch| batch.state.is_terminal())
    };
    let batch = eventually(over).await.expect("the batch ends");
    worker.stop().await;
    assert_eq!(batch.counts.done, 3, "{:?}", world.rows(id).await);
    assert_eq!(world.database.number("select sum(attempts) from wallet_tasks").await, 0);
}

/// Resumed bounded views rest on what is stored; they must not depend on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_view_is_the_same_whatever_is_stored() {
    let Some(fixtures) = fixtures() else { return };
    let folder = fixtures.join("solana/devnet_seed7");
    let text = std::fs::read(folder.join("wallets.json")).unwrap();
    let known: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let wallets: Vec<String> = known.keys().cloned().collect();
    let prices = fixtures.join("prices");
    let bounded = job_orchestrator::Analysis { max_transactions: Some(10), ..Default::default() };

    let mut reports = Vec::new();
    for whole_first in [false, true] {
        let chain = RecordedChain::from_folder(&folder).unwrap();
        let world = World::with_prices(chain, crate::support::csv_prices(&prices)).await;
        let worker = world.worker().await;
        if whole_first {
            let whole = world.submit(&wallets).await;
            world.until_done(whole).await;
        }
        let id = world.submit_as(&wallets, bounded.clone()).await;
        world.until_done(id).await;
        worker.stop().await;
        let rows = world.rows(id).await;
        for row in &rows {
            let result = crate::support::result(row);
            assert_eq!(result["transactions"], 10);
            assert_eq!(result["coverage"]["truncated"]["reason"], "max_transactions");
            assert_eq!(result["coverage"]["complete"], false);
        }
        reports.push(rows.into_iter().map(|row| row.report_json).collect::<Vec<_>>());
    }
    assert_eq!(reports[0], reports[1]);
}
