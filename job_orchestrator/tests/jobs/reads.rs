//! What stored ledgers answer, and what the subcommands give.

use std::collections::BTreeMap;
use std::path::Path;

use futures::TryStreamExt;
use job_orchestrator::Analysis;
use job_orchestrator::tools::{self, Parser};
use job_orchestrator::wallets::{AllWallets, Include, View, Wallets, WalletsError};
use persistence_layer::Tenant;
use persistence_layer::results::ResultRow;
use pnl_core::{Address, Chain, Method, RawDelta, WalletRef};
use serde_json::Value;

use crate::support::{World, csv_prices, fixtures, made_up, result, rules};

fn wallet(address: &str) -> WalletRef {
    WalletRef { chain: Chain::Solana, address: Address::from_chain_data(address) }
}

fn wallets(world: &World) -> Wallets {
    let rules = BTreeMap::from([(Chain::Solana, rules())]);
    AllWallets::new(world.store().clone(), rules).of(Tenant::default())
}

/// All rows of a wallet's ledger, by pages of seven.
async fn ledger(wallets: &Wallets, wallet: &WalletRef) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = wallets.ledger_page(wallet, cursor, 7).await.unwrap().expect("it is stored");
        assert!(page.rows.len() == 7 || page.next.is_none());
        rows.extend(page.rows.iter().map(|row| serde_json::from_str(row.get()).unwrap()));
        cursor = page.next;
        if cursor.is_none() {
            return rows;
        }
    }
}

async fn check(world: &World, row: &ResultRow) {
    let wallets = wallets(world);
    let wallet = wallet(row.wallet.as_str());
    let result = result(row);

    let include = Include { lots: true, disposals: true };
    let pnl = wallets.pnl(&wallet, View::by(Method::Fifo), include).await.unwrap().unwrap();
    let pieces: Vec<String> = pnl.try_collect().await.unwrap();
    let mut pnl: Value = serde_json::from_str(&pieces.concat()).unwrap();
    let members = pnl.as_object_mut().unwrap();
    let lots = members.remove("lots").unwrap();
    let disposals = members.remove("disposals").unwrap();
    assert!(lots.is_array() && disposals.is_array());
    // The head, a piece per 500 records of each list, the end.
    let of_list = |list: &Value| list.as_array().unwrap().len().div_ceil(500).max(1);
    assert_eq!(pieces.len(), 2 + of_list(&lots) + of_list(&disposals));
    assert!(members.remove("analyzed_at").unwrap().is_string());
    assert_eq!(members.remove("wallet").unwrap(), row.wallet.as_str());
    assert_eq!(members.remove("chain").unwrap(), "solana");
    assert_eq!(pnl, result);

    let mut sums: BTreeMap<String, RawDelta> = BTreeMap::new();
    for event in ledger(&wallets, &wallet).await {
        for leg in event["legs"].as_array().unwrap() {
            let sum = sums.entry(leg["asset"].as_str().unwrap().to_owned()).or_default();
            *sum = sum.checked_add(leg["raw"].as_str().unwrap().parse().unwrap()).unwrap();
        }
    }
    for token in result["tokens"].as_array().unwrap() {
        let sum = sums.remove(token["asset"].as_str().unwrap()).unwrap_or_default();
        assert_eq!(token["raw"], sum.to_string());
    }
    assert!(sums.is_empty());

    let document = wallets.oracle_document(&wallet, Method::Fifo).await.unwrap().unwrap();
    let document: String = document.try_collect().await.unwrap();
    let answer: Value = serde_json::from_str(&tools::engine(&document)).unwrap();
    assert_eq!(answer["totals"]["realized_gain"], result["realized_gain_usd"], "{answer}");
    assert_eq!(answer["totals"]["unrealized_gain"], result["unrealized_gain_usd"]);
    assert_eq!(answer["metrics"], result["metrics"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_ledger_gives_the_result_its_rows_and_its_document() {
    let world = World::new(made_up(1, 600)).await;
    let rows = world.run(&world.node.chain().synthetic_wallets()).await;
    check(&world, &rows[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_ledgers_of_recorded_wallets_do_so_too() {
    let Some(fixtures) = fixtures() else { return };
    let folder = fixtures.join("solana/devnet_seed7");
    let text = std::fs::read(folder.join("wallets.json")).unwrap();
    let known: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
    let addresses: Vec<String> = known.keys().take(2).cloned().collect();
    let chain = load_tests::RecordedChain::from_folder(&folder).unwrap();
    let world = World::with_prices(chain, csv_prices(&fixtures.join("prices"))).await;
    for row in world.run(&addresses).await {
        check(&world, &row).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_history_and_an_unknown_wallet_have_no_ledger_and_an_old_cursor_expires() {
    let world = World::new(made_up(2, 50)).await;
    let addresses = world.node.chain().synthetic_wallets();
    let wallets = wallets(&world);
    let worker = world.worker().await;
    let cut = Analysis { max_transactions: Some(10), ..Analysis::default() };
    let id = world.submit_as(&addresses[..1], cut).await;
    world.until_done(id).await;
    let cut = wallet(&addresses[0]);
    assert!(wallets.pnl(&cut, View::by(Method::Fifo), Include::default()).await.unwrap().is_none());
    assert!(wallets.ledger_page(&cut, None, 5).await.unwrap().is_none());
    assert!(wallets.oracle_document(&cut, Method::Fifo).await.unwrap().is_none());

    let whole = wallet(&addresses[1]);
    let mut cursors = Vec::new();
    for _ in 0..2 {
        let id = world.submit(&addresses[1..]).await;
        world.until_done(id).await;
        cursors.push(wallets.ledger_page(&whole, None, 5).await.unwrap().unwrap().next);
    }
    worker.stop().await;
    let expired = wallets.ledger_page(&whole, cursors[0], 5).await;
    assert!(matches!(expired, Err(WalletsError::CursorExpired)), "{expired:?}");
    assert!(wallets.ledger_page(&whole, cursors[1], 5).await.is_ok());
}

#[test]
fn files_are_parsed_in_order_and_a_bad_one_is_told() {
    let Some(fixtures) = fixtures() else { return };
    parse_folder(Chain::Solana, &fixtures, "solana/transactions");
    parse_folder(Chain::Ethereum, &fixtures, "evm/ethereum/transactions");
}

fn parse_folder(chain: Chain, fixtures: &Path, folder: &str) {
    let parser = Parser::new(chain, None).unwrap();
    let folder = fixtures.join(folder);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).take(3).collect();
    files.insert(1, fixtures.join("solana/README.md"));
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let good = tools::parse_files(&parser, &[], &files, &mut out, &mut errors).unwrap();
    assert!(!good);
    let out = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut ids: Vec<&str> = lines.iter().map(|line| line["tx_id"].as_str().unwrap()).collect();
    ids.dedup();
    let named: Vec<_> = [0, 2, 3].map(|i: usize| files[i].file_stem().unwrap()).into();
    assert_eq!(ids, named);
    let errors = String::from_utf8(errors).unwrap();
    let error: Value = serde_json::from_str(errors.trim_end()).unwrap();
    assert_eq!(error["file"], files[1].display().to_string());
    assert!(error["error"].is_string() && error["at"].is_string(), "{error}");
}
