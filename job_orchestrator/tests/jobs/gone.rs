//! What was there is gone: stored transactions that were removed, lists that a node has forgotten.

use std::sync::Mutex;

use async_trait::async_trait;
use load_tests::{FaultKind, Faults};
use persistence_layer::batches::BatchId;
use persistence_layer::chain_data::{self, SignatureRow};
use pnl_core::{Address, Chain, RawTransaction, TxId};

use crate::meddling::Meddling;
use crate::support::{
    TestWorker, World, eventually, everybodys, llama_prices, made_up, price_table,
};

/// A world of one wallet whose prices come over the network, and the report of an undisturbed run.
async fn world(transactions: u64) -> (World, Vec<String>, Option<String>) {
    let table = price_table();
    let make = async || {
        let chain = made_up(1, transactions).with_prices(table.path()).unwrap();
        let mut world = World::new(chain).await;
        world.prices = llama_prices(&world.node, &world.settings);
        world
    };
    let undisturbed = make().await;
    let wallets = undisturbed.node.chain().synthetic_wallets();
    let report = undisturbed.run(&wallets).await.remove(0).report_json;
    assert!(report.is_some());
    (make().await, wallets, report)
}

/// Submits, and kills the worker when it hangs in a request that contains `point`.
async fn killed_at(world: &World, wallets: &[String], point: &str) -> BatchId {
    let only = Some(point.to_owned());
    world.node.set_faults(Faults { only, ..Faults::always(FaultKind::Hang) });
    let id = world.submit(wallets).await;
    let worker = world.worker().await;
    let struck = async || (world.node.stats().faults_given() > 0).then_some(());
    eventually(struck).await.unwrap_or_else(|| panic!("never got to {point}"));
    worker.kill().await;
    world.node.set_faults(Faults::default());
    id
}

/// The stored list of the wallet, newest first.
async fn listed(world: &World, wallet: &str) -> Vec<SignatureRow> {
    let wallet = Address::from_chain_data(wallet);
    chain_data::signatures(world.store(), Chain::Solana, &wallet, u64::MAX).await.unwrap()
}

async fn raw_transactions(world: &World) -> u64 {
    let count = world.database.number("select count(*) from raw_transactions").await;
    count.try_into().unwrap()
}

async fn finish(world: &World, id: BatchId, report: Option<String>) {
    let worker = world.worker().await;
    world.until_done(id).await;
    worker.stop().await;
    assert_eq!(world.rows(id).await[0].report_json, report);
}

/// Where the first prices of a made-up wallet are asked for: its ledger begins there.
const FIRST_PRICES: &str = "historical/1704067200";

#[tokio::test(flavor = "multi_thread")]
async fn removed_transactions_are_fetched_again_and_those_of_an_interrupted_attempt_stay() {
    let (world, wallets, report) = world(500).await;
    let id = killed_at(&world, &wallets, FIRST_PRICES).await;
    assert_eq!(raw_transactions(&world).await, 500);
    world.database.execute("delete from raw_transactions").await;

    // One transaction of the first part of the ledger hangs; the others of its part are kept.
    let oldest = listed(&world, &wallets[0]).await.pop().unwrap();
    let only = Some(oldest.tx_id.to_string());
    world.node.set_faults(Faults { only, ..Faults::always(FaultKind::Hang) });
    let worker = world.worker().await;
    let kept = async || (raw_transactions(&world).await >= 99).then_some(());
    assert!(eventually(kept).await.is_some(), "nothing is stored before all is there");
    worker.kill().await;
    world.node.set_faults(Faults::default());
    let kept = raw_transactions(&world).await;
    assert!(kept < 200, "{kept}");
    world.node.reset();
    finish(&world, id, report).await;
    assert_eq!(world.node.stats().calls_of("getTransaction"), 500 - kept);
    assert_eq!(raw_transactions(&world).await, 500);
}

/// The first answer for a transaction lacks its outcome.
struct BrokenOnce(Mutex<Option<TxId>>);

#[async_trait]
impl Meddling for BrokenOnce {
    fn transaction(&self, raw: RawTransaction) -> RawTransaction {
        let mut broken = self.0.lock().unwrap();
        if broken.as_ref() != Some(&raw.tx_id) {
            return raw;
        }
        *broken = None;
        let text = String::from_utf8(raw.json.clone()).unwrap();
        RawTransaction { json: text.replacen("\"meta\"", "\"mate\"", 1).into_bytes(), ..raw }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_answer_for_a_removed_transaction_is_not_kept() {
    let (world, wallets, report) = world(300).await;
    let id = killed_at(&world, &wallets, FIRST_PRICES).await;
    world.database.execute("delete from raw_transactions").await;
    let oldest = listed(&world, &wallets[0]).await.pop().unwrap().tx_id;
    let worker = TestWorker::start(world.meddled(BrokenOnce(Mutex::new(Some(oldest)))).await);
    world.until_done(id).await;
    worker.stop().await;
    assert_eq!(world.rows(id).await[0].report_json, report);
    let unreadable =
        "select count(*) from wallet_attempts where error_code = 'transaction-unreadable'";
    assert_eq!(world.database.number(unreadable).await, 1);
}

fn forgetting(row: &SignatureRow) -> Faults {
    Faults { forgets: Some(row.tx_id.to_string()), ..Faults::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_place_a_node_has_forgotten_is_read_from_its_newest_end() {
    let (world, wallets, report) = world(1_200).await;
    // The second page is never seen.
    let id = killed_at(&world, &wallets, "\"before\"").await;
    let rows = listed(&world, &wallets[0]).await;
    assert_eq!(rows.len(), 1_000);
    world.node.set_faults(forgetting(&rows[998]));
    world.node.reset();
    finish(&world, id, report).await;
    assert_eq!(world.database.number("select sum(attempts) from wallet_tasks").await, 0);
    // The place as often as a call is tried, then two pages, and what is newer.
    let tries = u64::from(world.settings.call_tries);
    assert_eq!(world.node.stats().calls_of("getSignaturesForAddress"), tries + 3);
    assert_eq!(listed(&world, &wallets[0]).await.len(), 1_200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_the_rows_that_it_had_is_no_history() {
    let (world, wallets, report) = world(1_200).await;
    let id = killed_at(&world, &wallets, "\"before\"").await;
    let rows = listed(&world, &wallets[0]).await;
    world.node.set_faults(forgetting(&rows[999]));
    let worker = world.worker().await;
    world.until_over(id).await;
    worker.stop().await;
    let row = world.rows(id).await.remove(0);
    let error = row.error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("list-unknown-at-provider", true));
    assert!(error.detail.contains(rows[999].tx_id.as_str()), "{}", error.detail);
    assert_eq!(row.report_json, None);
    let named =
        "select count(*) from wallet_attempts where error_code = 'list-unknown-at-provider'";
    assert_eq!(world.database.number(named).await, 3);

    // Another node knows it.
    world.node.set_faults(Faults::default());
    world.batches().retry(&everybodys(id)).await.unwrap();
    finish(&world, id, report).await;
}
