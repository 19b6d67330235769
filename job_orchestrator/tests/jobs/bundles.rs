//! Bundles: results with the raw transactions and prices that they were computed from.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain_client::{CsvPrices, PriceSources};
use futures::TryStreamExt;
use job_orchestrator::sources::ReadingRules;
use job_orchestrator::wallets::{AllWallets, BundleError, BundlePart, How, Replayed, replay};
use load_tests::evm::Maker;
use load_tests::{EvmChain, RecordedChain};
use persistence_layer::Tenant;
use pnl_core::ledger::LedgerRules;
use pnl_core::{Address, Chain, Method, TxId, WalletRef};
use serde_json::{Value, json};
use tx_parser::evm::Network;

use crate::evm::{self, ETHER};
use crate::support::{World, csv_prices, fixtures, price_table, result, rules};

/// The lines of the wallet's bundle.
async fn bundle(world: &World, chain: Chain, address: &str) -> Vec<String> {
    let text: String =
        parts(world, chain, address).await.into_iter().map(|part| part.text).collect();
    text.lines().map(str::to_owned).collect()
}

async fn parts(world: &World, chain: Chain, address: &str) -> Vec<BundlePart> {
    let all = AllWallets::new(
        world.store().clone(),
        BTreeMap::from([(chain, LedgerRules { chain, ..rules() })]),
    );
    let wallet = WalletRef { chain, address: Address::from_chain_data(address) };
    let networks = Network::of(chain).map(|network| (chain, network)).into_iter().collect();
    let reading = ReadingRules { networks, prices: PriceSources::new(world.prices.clone()) };
    let parts = all.of(Tenant::default()).bundle(&wallet, Method::Fifo, reading).await.unwrap();
    parts.expect("it is stored").try_collect().await.unwrap()
}

fn replayed(lines: &[String]) -> Replayed {
    replay(lines.join("\n").as_bytes()).unwrap()
}

/// The lines with another first one, and the result that this gives: what a forger would hand out.
fn forged(lines: &[String], change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut head: Value = serde_json::from_str(&lines[0]).unwrap();
    change(&mut head);
    let mut lines = lines.to_vec();
    lines[0] = head.to_string();
    let (before, _) = lines[0].rsplit_once(",\"result\":").expect("the last member");
    lines[0] = format!("{before},\"result\":{}}}", replayed(&lines).result);
    assert!(replayed(&lines).is_equal);
    lines
}

/// The lines with the first one that `is` is changed by `how`, which must change it.
fn changed(lines: &[String], is: impl Fn(&str) -> bool, from: &str, to: &str) -> Vec<String> {
    let mut lines = lines.to_vec();
    let line = lines.iter_mut().find(|line| is(line) && line.contains(from));
    let line = line.unwrap_or_else(|| panic!("no line has {from}"));
    *line = line.replacen(from, to, 1);
    lines
}

/// The lines as programs of the first form wrote them.
fn of_first_form(lines: &[String]) -> Vec<String> {
    let (before, by) = lines[0].split_once("\"booked_by\":").unwrap();
    let (_, after) = by.split_once(",\"history\":").unwrap();
    let head = format!("{before}\"history\":{after}");
    let rest = lines[1..].iter().map(|line| match line.rsplit_once(",\"prices\":[") {
        Some((before, _)) => format!("{before}}}}}"),
        None => line.clone(),
    });
    std::iter::once(head.replacen("\"bundle\":2", "\"bundle\":1", 1)).chain(rest).collect()
}

fn is_transaction(line: &str) -> bool {
    line.starts_with("{\"transaction\"")
}

fn transaction(line: &str) -> Value {
    serde_json::from_str::<Value>(line).unwrap()["transaction"].take()
}

/// A world with a wallet of an EVM chain, and a price of its coin.
async fn ether_world(maker: Maker, chain: impl Fn(EvmChain) -> EvmChain) -> World {
    let chain = chain(EvmChain::new(1, maker.records()).unwrap());
    let folder = price_table();
    let table = folder.path().join("sol_usd.csv");
    std::fs::copy(table, folder.path().join("eth_usd.csv")).unwrap();
    let prices = Arc::new(CsvPrices::open(folder.path()).unwrap());
    let chain = RecordedChain::default().with_evm("ethereum", chain);
    World::with_prices(chain, vec![prices]).await
}

fn trades() -> Maker {
    let (wallet, other, router) = (evm::wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [honest, ..] = evm::tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&other, &wallet, 10 * ETHER);
    maker.call(&wallet, &router, 2 * ETHER, &[(&honest, &router, &wallet, 5_000)]);
    maker.call(&wallet, &router, 0, &[(&honest, &wallet, &router, 1_000)]);
    maker.inside(&router, &wallet, ETHER);
    maker
}

async fn traded() -> World {
    let [honest, ..] = evm::tokens();
    ether_world(trades(), |chain| chain.with_token(&honest, 6, "ALFA")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bundle_of_an_evm_wallet_makes_its_events_again_and_names_what_was_changed() {
    let world = traded().await;
    let row = evm::run(&world, true).await;
    let lines = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    let good = replayed(&lines);
    assert!(good.is_good(), "{good:?}");
    assert_eq!((good.transactions, good.made_again, good.unread, good.silent), (3, 3, 0, 0));
    let again: Value = serde_json::from_str(&good.result).unwrap();
    assert_eq!(again["realized_gain_usd"], result(&row)["realized_gain_usd"]);
    assert_ne!(again["realized_gain_usd"], "0");

    // What it was made from is in it: traces, decimals, prices.
    let rows: Vec<Value> =
        lines.iter().filter(|line| is_transaction(line)).map(|line| transaction(line)).collect();
    let [honest, ..] = evm::tokens();
    assert_eq!(rows[2]["raw"]["internal_transfers"][0]["value"], json!(ETHER.to_string()));
    assert_eq!(rows[2]["decimals"], json!({ honest: 6 }));
    assert_eq!(rows[2]["prices"][0]["source"], "csv");

    let of = |number: usize| TxId::new(rows[number]["tx_id"].as_str().unwrap());
    let first = |lines: &[String]| {
        let replayed = replayed(lines);
        assert!(!replayed.is_good());
        (replayed.differing[0].tx_id.clone(), replayed.differing[0].how.clone())
    };
    let ether = ETHER.to_string();
    let (tx_id, how) = first(&changed(&lines, is_transaction, &format!("\"{ether}\""), "\"1\""));
    assert!(tx_id == of(2) && matches!(how, How::Moved(_)), "a trace: {how:?}");
    let price = rows[1]["prices"][0]["price_usd"].as_str().unwrap();
    let dearer = [format!("\"price_usd\":\"{price}\""), "\"price_usd\":\"7\"".to_owned()];
    let is_second = |line: &str| is_transaction(line) && line.contains(of(1).as_str());
    let (tx_id, how) = first(&changed(&lines, is_second, &dearer[0], &dearer[1]));
    assert_eq!(tx_id, of(1));
    assert!(matches!(how, How::Booked(place) if place.contains("value_usd")), "a price");
    // All transactions have events, so that nothing of the counts is of others.
    for count in ["failed", "incomplete_fee", "missing_block_time", "unexplained_transactions"] {
        let lines = forged(&lines, |head| head["history"]["facts"][count] = json!(1));
        assert_eq!(replayed(&lines).sums.len(), 1, "{count}");
    }
    let (tx_id, how) = first(&changed(&lines, is_second, ":6}", ":7}"));
    assert!(tx_id == of(1) && matches!(how, How::Booked(_)), "decimals: {how:?}");
    let index = rows[1]["raw"]["transaction"]["transactionIndex"].as_str().unwrap();
    let index = format!("\"transactionIndex\":\"{index}\"");
    let other = "\"transactionIndex\":\"0x7b\"";
    let moved: Vec<String> = lines
        .iter()
        .map(|line| if is_second(line) { line.replace(&index, other) } else { line.clone() })
        .collect();
    assert_eq!(first(&moved), (of(1), How::Misplaced), "its place in the block");
    let both = changed(&moved, is_second, "\"logs\":[{", "\"logs\":[],\"others\":[{");
    assert_eq!(first(&both), (of(1), How::Misplaced), "its place, and what it moves");
    assert_eq!(replayed(&both).differing.len(), 1, "one transaction");
    let broken = changed(&lines, is_second, "\"receipt\":{", "\"receipts\":{");
    let (tx_id, how) = first(&broken);
    assert!(tx_id == of(1) && matches!(how, How::Unreadable(_)), "{how:?}");
    let kind = changed(&lines, |line| line.contains("\"kind\":\"swap\""), "swap", "bridge");
    let (tx_id, how) = first(&kind);
    assert!(tx_id == of(1) && matches!(how, How::Booked(_)), "a label: {how:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_balances_contradict_are_left_out_again() {
    let world = evm::world(evm::chain()).await;
    evm::run(&world, true).await;
    let lines = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    assert!(lines.iter().any(|line| line.contains("\"excluded\":true")));
    let good = replayed(&lines);
    assert!(good.is_good() && good.made_again == 6, "{good:?}");
    let counted = changed(&lines, |_| true, "\"excluded\":true", "\"excluded\":false");
    assert!(!replayed(&counted).is_good());

    // What the first line says of them follows from the events, too.
    let head: Value = serde_json::from_str(&lines[0]).unwrap();
    let doubts = head["history"]["facts"]["doubts"].as_object().unwrap();
    let is_excluded = |doubts: &Value| doubts["transactions"][0]["why"] == "excluded";
    let (asset, _) = doubts.iter().find(|(_, doubts)| is_excluded(doubts)).unwrap();
    let expected = vec![format!("the doubtful transactions of {asset}")];
    let doubts = format!("/history/facts/doubts/{asset}");
    for change in [
        |doubts: &mut Value| doubts["raw"] = json!("1"),
        |doubts: &mut Value| doubts["more"] = json!(1),
        |doubts: &mut Value| doubts["transactions"][0]["why"] = json!("uncovered"),
        |doubts: &mut Value| doubts["transactions"] = json!([]),
    ] {
        for is_noted in [false, true] {
            let lines = forged(&lines, |head| {
                change(head.pointer_mut(&doubts).unwrap());
                if is_noted {
                    // Of another token, as it were.
                    head["history"]["facts"]["notes"]["amount_too_large"] = json!(1);
                }
            });
            assert_eq!(replayed(&lines).sums, expected);
        }
    }
    let lines = forged(&lines, |head| {
        head["history"]["facts"]["doubts"].as_object_mut().unwrap().remove(asset);
    });
    assert_eq!(replayed(&lines).sums, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_which_only_some_movements_are_left_out_is_named() {
    let world = evm::world(evm::chain()).await;
    evm::run(&world, true).await;
    let mut lines = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    let [_, _, liar] = evm::tokens();
    // What came in is booked, and what left is not; all that follows from it is changed, too.
    let excluded = lines.iter_mut().find(|line| line.contains("\"excluded\":true")).unwrap();
    let mut event: Value = serde_json::from_str(excluded).unwrap();
    (event["event"]["excluded"], event["event"]["unsolicited"]) = (json!(false), json!(true));
    *excluded = event.to_string();
    let forged = forged(&lines, |head| {
        let facts = &mut head["history"]["facts"];
        facts["assets"][&liar] = json!({"decimals": 6, "raw": "1000000", "held": "1000000",
            "unsolicited": true, "basis_reset": "0", "basis_reset_events": 0});
        let doubts = &mut facts["doubts"][&liar];
        doubts["raw"] = json!("-30");
        doubts["transactions"].as_array_mut().unwrap().remove(0);
    });
    let Replayed { differing, sums, made_again, .. } = replayed(&forged);
    assert_eq!((differing, made_again), (vec![], 6));
    assert_eq!(sums, [format!("the movements of {liar}, of which others are left out,")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_told_as_its_transactions_tell_it() {
    const MOST: u128 = 0xdead_beef_dead_beef_dead_beef_dead_beef;
    let (wallet, other, router) = (evm::wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [honest, another, _] = evm::tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&other, &wallet, 10 * ETHER);
    let twice = [(&*another, &*router, &*wallet, MOST); 2];
    maker.call(&other, &router, 0, &[&twice[..], &[(&honest, &router, &wallet, 5)]].concat());
    maker.call(&other, &router, 0, &[(&another, &router, &wallet, 7)]);
    // Each of the two is 2^256 - 1.
    let records = serde_json::to_string(&maker.records()).unwrap();
    let records = records.replace(&format!("{MOST:064x}"), &"f".repeat(64));
    let chain = EvmChain::new(1, serde_json::from_str(&records).unwrap()).unwrap();
    let world = evm::world(chain).await;
    evm::run(&world, false).await;
    let lines = bundle(&world, Chain::Ethereum, &wallet).await;
    let good = replayed(&lines);
    assert!(good.is_good() && (good.made_again, good.silent) == (3, 0), "{good:?}");

    let head: Value = serde_json::from_str(&lines[0]).unwrap();
    let doubts = &head["history"]["facts"]["doubts"][&another];
    let told =
        [&doubts["transactions"][0]["why"], &doubts["transactions"][1]["why"], &doubts["raw"]];
    assert_eq!(json!(told), json!(["too_large", "excluded", null]));
    let expected = [format!("the doubtful transactions of {another}")];
    let place = format!("/history/facts/doubts/{another}");
    for change in [
        |doubts: &mut Value| doubts["raw"] = json!("7"),
        |doubts: &mut Value| drop(doubts["transactions"].as_array_mut().unwrap().remove(0)),
        |doubts: &mut Value| drop(doubts["transactions"].as_array_mut().unwrap().remove(1)),
    ] {
        let lines = forged(&lines, |head| change(head.pointer_mut(&place).unwrap()));
        assert_eq!(replayed(&lines).sums, expected);
    }
    let lines = forged(&lines, |head| {
        let doubts = head["history"]["facts"]["doubts"].as_object_mut().unwrap();
        doubts.insert(honest.clone(), doubts[&another].clone());
    });
    assert_eq!(replayed(&lines).sums, [format!("the doubtful transactions of {honest}")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_no_bundle_has_are_refused_where_they_stand() {
    let world = traded().await;
    evm::run(&world, true).await;
    let lines = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    let refused = |lines: &[String]| replay(lines.join("\n").as_bytes()).unwrap_err().to_string();
    // No end: a file that says so little goes on for as long as it likes.
    let last = lines.last().unwrap();
    let more: Vec<String> = lines.iter().chain([last; 9]).cloned().collect();
    let place = format!("line {} of the bundle: there are more events than", lines.len() + 1);
    assert!(refused(&more).starts_with(&place), "{}", refused(&more));

    let source = format!("\"price_source\":\"{}", "a".repeat(33 << 20));
    let long = last.replacen("\"price_source\":\"", &source, 1);
    let head = lines[0].replacen("\"events\":", "\"events\":9", 1);
    assert!(refused(&[head, long.clone(), long]).contains("take more than 67108864 bytes"));

    let event: Value = serde_json::from_str(last).unwrap();
    let (id, ts) = (event["event"]["event"].as_str().unwrap(), &event["event"]["ts"]);
    let head: Value = serde_json::from_str(&lines[0]).unwrap();
    let behind = head["history"]["pin"]["block_time"].as_i64().unwrap() + 1;
    for time in [i64::MIN, -1, behind, i64::MAX] {
        let (from, to) = (format!("\"ts\":{ts},"), format!("\"ts\":{time},"));
        let error = refused(&changed(&lines, |line| line == last, &from, &to));
        assert!(error.contains(&format!("event \"{id}\" has the time {time}, ")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evm_wallet_whose_coins_no_list_names_is_seen_as_its_ledger_saw_it() {
    let (sender, receiver, router) = (evm::wallet(), Maker::address(0xee), Maker::address(0xd0));
    let [honest, ..] = evm::tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&Maker::address(0xbb), &sender, 10 * ETHER);
    maker.call(&sender, &router, ETHER, &[(&honest, &router, &receiver, 5_000)]);
    let world = ether_world(maker, |chain| {
        chain.without(&["debug_traceTransaction", "trace_transaction", "ots_getInternalOperations"])
    })
    .await;
    // The sender comes first: the trace was asked for, and nobody has it.
    for wallet in [sender, receiver] {
        let deps = evm::deps(&world, false).await;
        evm::run_with(&world, deps, wallet.clone()).await;
        let lines = bundle(&world, Chain::Ethereum, &wallet).await;
        let good = replayed(&lines);
        assert!(good.is_good() && good.made_again == good.transactions, "{good:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_stored_any_more_is_said_to_be_absent_and_not_checked() {
    let world = traded().await;
    evm::run(&world, true).await;
    let whole = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    let second = whole.iter().filter(|line| is_transaction(line)).nth(1).unwrap();
    let second = transaction(second)["tx_id"].as_str().unwrap().to_owned();
    let delete = format!("delete from raw_transactions where tx_id = '{second}'");
    assert_eq!(world.database.execute(&delete).await, 1);
    let lines = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    let absent = lines.iter().filter(|line| is_transaction(line)).nth(1).unwrap();
    let expected = json!({"tx_id": second, "raw": null, "absent": "no longer stored"});
    assert_eq!(transaction(absent), expected);
    let replayed_lines = replayed(&lines);
    assert!(replayed_lines.is_good(), "{replayed_lines:?}");
    let Replayed { transactions, made_again, unread, .. } = replayed_lines;
    assert_eq!((transactions, made_again, unread), (2, 2, 1));

    // Prices that are gone: what moved is compared all the same.
    let world = World { prices: Vec::new(), ..world };
    let parts = parts(&world, Chain::Ethereum, &evm::wallet()).await;
    assert_eq!(parts.iter().map(|part| (part.absent, part.unpriced)).max(), Some((1, 2)));
    let lines = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    let unpriced = replayed(&lines);
    assert!(unpriced.is_good(), "{unpriced:?}");
    assert_eq!((unpriced.transactions, unpriced.made_again), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_of_the_first_form_replay_and_those_of_a_later_one_are_refused() {
    let world = traded().await;
    evm::run(&world, true).await;
    let lines = bundle(&world, Chain::Ethereum, &evm::wallet()).await;
    // As it was written on chains of the EVM: the events alone.
    let events: Vec<String> = lines.iter().filter(|line| !is_transaction(line)).cloned().collect();
    let first_form = replayed(&of_first_form(&events));
    assert!(first_form.is_good(), "{first_form:?}");
    assert_eq!((first_form.transactions, first_form.unread), (0, 3));

    let newer = changed(&lines, |_| true, "\"bundle\":2", "\"bundle\":3").join("\n");
    let refused = replay(newer.as_bytes()).unwrap_err();
    assert!(matches!(refused, BundleError::Form(3)), "{refused}");
    assert!(refused.to_string().contains("form 3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_of_recorded_wallets_make_every_event_again() {
    let Some(fixtures) = fixtures() else { return };
    let folder = fixtures.join("solana/devnet_seed7");
    let text = std::fs::read(folder.join("wallets.json")).unwrap();
    let known: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
    let addresses: Vec<String> = known.keys().take(3).cloned().collect();
    let chain = RecordedChain::from_folder(&folder).unwrap();
    let world = World::with_prices(chain, csv_prices(&fixtures.join("prices"))).await;
    world.run(&addresses).await;
    for address in &addresses {
        let lines = bundle(&world, Chain::Solana, address).await;
        let good = replayed(&lines);
        assert!(good.is_good() && good.unread == 0, "{good:?}");
        assert!(good.transactions > 0 && good.made_again == good.transactions, "{good:?}");
        let replayed = replayed(&of_first_form(&lines));
        assert!(replayed.is_good() && replayed.made_again == 0, "{replayed:?}");
        assert_eq!(replayed.transactions, good.transactions);
    }
}
