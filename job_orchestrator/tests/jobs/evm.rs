//! Wallets of EVM chains, from the lists of their transactions to the comparison with balances.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain_client::{
    CallPolicy, ClientMetrics, EvmConfig, EvmPool, PriceSources, ProviderConfig, ProviderKind,
};
use job_orchestrator::sources::Source;
use job_orchestrator::{Metrics, WorkerDeps};
use load_tests::evm::Maker;
use load_tests::{EvmChain, FaultKind, Faults, RecordedChain, RecordedNode};
use persistence_layer::results::ResultRow;
use pnl_core::Chain;
use prometheus::Registry;
use serde_json::{Value, json};
use tx_parser::evm::Network;

use crate::support::{TestWorker, World, result, rules};

pub const ETHER: u128 = 1_000_000_000_000_000_000;
/// Gas of a plain transfer and of a call, in wei.
const PLAIN: u128 = 21_000_000_000_000;
const CALL: u128 = 60_000_000_000_000;

pub fn wallet() -> String {
    Maker::address(0xaa)
}

/// An honest token, one that rebases, one that lies.
pub fn tokens() -> [String; 3] {
    [Maker::address(0xc0), Maker::address(0xc1), Maker::address(0xc2)]
}

fn history() -> Maker {
    let (wallet, other, router) = (wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [honest, rebasing, liar] = tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&other, &wallet, 10 * ETHER);
    maker.call(&wallet, &router, 2 * ETHER, &[(&honest, &router, &wallet, 5_000)]);
    maker.inside(&router, &wallet, ETHER / 2);
    maker.call(&wallet, &router, ETHER, &[(&rebasing, &router, &wallet, 900)]);
    maker.call(&other, &liar, 0, &[(&liar, &router, &wallet, 1_000_000)]);
    maker.call(&other, &liar, 0, &[(&liar, &wallet, &router, 30)]);
    maker.call(&wallet, &router, 0, &[(&honest, &wallet, &router, 1_000)]);
    maker.inside(&router, &wallet, ETHER);
    maker
}

/// A receipt, and so many payments out of it.
fn payments(count: usize) -> Maker {
    let mut maker = Maker::new(1_000, 1_704_067_200);
    let (wallet, other) = (wallet(), Maker::address(0xbb));
    maker.send(&other, &wallet, 500 * ETHER);
    for _ in 0..count {
        maker.send(&wallet, &other, ETHER);
    }
    maker
}

pub fn chain() -> EvmChain {
    let [honest, rebasing, liar] = tokens();
    let chain = EvmChain::new(1, history().records()).unwrap();
    chain
        .with_token(&honest, 6, "ALFA")
        .with_token(&rebasing, 18, "DREB")
        .with_token(&liar, 6, "USDC")
        .with_drift(&rebasing, 77)
        .with_fake(&liar)
}

pub async fn world(chain: EvmChain) -> World {
    World::new(RecordedChain::default().with_evm("ethereum", chain)).await
}

fn provider(name: &str, kind: ProviderKind, url: String) -> ProviderConfig {
    ProviderConfig { name: name.to_owned(), kind, url, requests_per_second: 10_000.0 }
}

pub async fn deps(world: &World, explorer: bool) -> WorkerDeps {
    let mut providers =
        vec![provider("node", ProviderKind::EvmRpc, world.node.evm_url("ethereum"))];
    if explorer {
        let url = world.node.explorer_url("ethereum");
        providers.insert(0, provider("scan", ProviderKind::Etherscan, url));
    }
    deps_of(world, &providers).await
}

async fn deps_of(world: &World, providers: &[ProviderConfig]) -> WorkerDeps {
    let metrics = ClientMetrics::register(&Registry::new()).unwrap();
    let (config, policy) = (EvmConfig::default(), CallPolicy::default());
    let pool = EvmPool::new(Chain::Ethereum, providers, config, &policy, &metrics).unwrap();
    let network = Network::of(Chain::Ethereum).unwrap();
    WorkerDeps {
        store: world.database.second_store().await,
        sources: BTreeMap::from([(Chain::Ethereum, Source::Evm(Arc::new(pool), network))]),
        prices: PriceSources::new(world.prices.clone()),
        rules: BTreeMap::from([(
            Chain::Ethereum,
            pnl_core::ledger::LedgerRules { chain: Chain::Ethereum, ..rules() },
        )]),
        settings: world.settings.clone(),
        metrics: Metrics::new(&Registry::new()).unwrap(),
    }
}

pub async fn run(world: &World, explorer: bool) -> ResultRow {
    run_of(world, explorer, wallet()).await
}

async fn run_of(world: &World, explorer: bool, wallet: String) -> ResultRow {
    run_with(world, deps(world, explorer).await, wallet).await
}

pub async fn run_with(world: &World, deps: WorkerDeps, wallet: String) -> ResultRow {
    let worker = TestWorker::start(deps);
    let id = world.submit_on(Chain::Ethereum, &[wallet]).await;
    world.until_over(id).await;
    worker.stop().await;
    world.rows(id).await.remove(0)
}

pub fn held(result: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = result["tokens"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["asset"]), text(&row["raw"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_of_an_evm_chain_adds_up_and_lies_and_rebases_are_told() {
    let world = world(chain()).await;
    let row = run(&world, true).await;
    let [honest, rebasing, liar] = tokens();
    let report = result(&row);
    let native = 10 * ETHER - 2 * ETHER - ETHER + ETHER / 2 + ETHER - 3 * CALL;
    let expected = [
        (honest.clone(), "4000".to_owned()),
        ("native".to_owned(), native.to_string()),
        (rebasing.clone(), "900".to_owned()),
    ];
    assert_eq!(held(&report), BTreeMap::from(expected));
    assert_eq!(report["unexplained_raw"], json!([{"asset": rebasing, "raw": "77"}]));
    // Nothing is missing, and still something is there that no movement explains.
    assert_eq!(report["coverage"]["missing"], json!([]));
    assert_eq!(report["coverage"]["complete"], false);
    assert_eq!(report["coverage"]["sources"], json!(["etherscan", "evm-rpc"]));
    let decimals = report["tokens"].as_array().unwrap().iter().find(|row| row["asset"] == honest);
    assert_eq!(decimals.unwrap()["decimals"], 6);
    let warned = report["warnings"].as_array().unwrap();
    let alike = warned.iter().find(|warning| warning["code"] == "look_alike_symbol");
    assert_eq!(alike.unwrap()["count"], 2, "{liar} calls itself USDC");

    let stats = world.node.stats();
    assert_eq!(stats.requests["/etherscan/ethereum/api"], 6, "5 lists, and how far they reach");
    assert_eq!(stats.calls_of("eth_getTransactionReceipt"), 6);
    assert_eq!(stats.calls_of("debug_traceTransaction"), 3, "calls of the wallet");

    // Once more: nothing but the pin is asked for.
    world.node.reset();
    let again = run(&world, true).await;
    assert_eq!(row.report_json, again.report_json);
    let stats = world.node.stats();
    assert_eq!(stats.calls_of("eth_getTransactionReceipt"), 0);
    assert_eq!(stats.calls_of("debug_traceTransaction"), 0);
    assert_eq!(stats.requests.get("/etherscan/ethereum/api"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_node_without_an_explorer_comes_to_the_same() {
    let explored = result(&run(&world(chain()).await, true).await);
    for lacking in [&[][..], &["ots_searchTransactionsAfter", "debug_traceTransaction"]] {
        let world = world(chain().without(lacking).with_max_range(30)).await;
        let own = result(&run(&world, false).await);
        assert_eq!(held(&own), held(&explored));
        assert_eq!(own["unexplained_raw"], explored["unexplained_raw"]);
        assert_eq!(own["coverage"]["sources"], json!(["evm-rpc"]));
        assert_eq!(own["input_hash"], explored["input_hash"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_provider_can_tell_is_named_and_nothing_is_called_complete() {
    let traces = ["debug_traceTransaction", "trace_transaction", "ots_getInternalOperations"];
    let world = world(chain().without(&traces).with_state_from(u64::MAX)).await;
    let report = result(&run(&world, false).await);
    assert_eq!(report["coverage"]["complete"], false);
    assert_eq!(report["coverage"]["missing"], json!(["traces", "past_balances"]));
    assert_eq!(report["unexplained_raw"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_that_only_another_wallet_needs_is_missing_for_that_one_alone() {
    let (sender, receiver, router) = (wallet(), Maker::address(0xee), Maker::address(0xd0));
    let [honest, ..] = tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&Maker::address(0xbb), &sender, 10 * ETHER);
    maker.call(&sender, &router, ETHER, &[(&honest, &router, &receiver, 5_000)]);
    let traces = ["debug_traceTransaction", "trace_transaction", "ots_getInternalOperations"];
    let chain = EvmChain::new(1, maker.records()).unwrap().without(&traces);
    let alone = result(&run_of(&world(chain.clone()).await, false, receiver.clone()).await);
    assert_eq!(alone["coverage"]["missing"], json!([]));
    // The sender comes first: the trace was asked for, and nobody has it.
    let shared = world(chain).await;
    let senders = result(&run_of(&shared, false, sender).await);
    assert_eq!(senders["coverage"]["missing"], json!(["traces"]));
    let after = result(&run_of(&shared, false, receiver).await);
    assert_eq!(after, alone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_named_by_a_token_list_alone_is_complete_whatever_others_unwrap() {
    let (solver, settlement) = (Maker::address(0xbb), Maker::address(0xd0));
    let weth = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";
    let [honest, ..] = tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.call(&solver, &settlement, 0, &[(&honest, &settlement, &wallet(), 5_000)]);
    maker.inside(weth, &settlement, ETHER);
    let mut records = maker.records();
    let unwrapped = json!({"address": weth, "data": format!("0x{ETHER:064x}"), "topics": [
        "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65",
        format!("0x{:0>64}", &settlement[2..])]});
    records[0]["receipt"]["logs"].as_array_mut().unwrap().push(unwrapped);
    for explorer in [true, false] {
        let world = world(EvmChain::new(1, records.clone()).unwrap()).await;
        let report = result(&run(&world, explorer).await);
        assert_eq!(held(&report), BTreeMap::from([(honest.clone(), "5000".to_owned())]));
        assert_eq!(report["coverage"]["missing"], json!([]));
        assert_eq!(report["coverage"]["complete"], true);
        assert_eq!(world.node.stats().calls_of("debug_traceTransaction"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coins_that_the_chain_began_with_are_told_by_the_balance() {
    let world = world(chain().with_allocation(&wallet(), 7 * ETHER)).await;
    let report = result(&run(&world, true).await);
    let [_, rebasing, _] = tokens();
    let rest = json!([{"asset": "native", "raw": (7 * ETHER).to_string()},
        {"asset": rebasing, "raw": "77"}]);
    assert_eq!(report["unexplained_raw"], rest);
    assert_eq!(report["coverage"]["complete"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_that_nobody_had_are_asked_for_again_and_nothing_else_is() {
    let traces = ["debug_traceTransaction", "trace_transaction", "ots_getInternalOperations"];
    let world = world(chain().without(&traces)).await;
    let report = result(&run(&world, false).await);
    assert_eq!(report["coverage"]["missing"], json!(["traces"]));
    let asked = || {
        let stats = world.node.stats();
        let of = |method: &str| stats.calls_of(method);
        let whole = of("eth_getTransactionByHash") + of("eth_getTransactionReceipt");
        (whole, of("debug_traceTransaction"))
    };
    world.node.reset();
    assert_eq!(result(&run(&world, false).await), report);
    assert_eq!(asked().0, 0);
    // Somebody has them now.
    world.node.set_evm("ethereum", chain());
    world.node.reset();
    let whole = result(&run(&world, false).await);
    assert_eq!(whole["coverage"]["missing"], json!([]));
    assert_eq!(asked(), (0, 3));
    world.node.reset();
    assert_eq!(result(&run(&world, false).await), whole);
    assert_eq!(asked(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_forbids_the_lists_is_an_error_in_the_providers_words() {
    let words = "Free API access is not supported for this chain. Please upgrade";
    let lists = ["ots_searchTransactionsAfter", "trace_filter"];
    let world = world(chain().refusing(words).without(&lists)).await;
    let row = run(&world, true).await;
    let error = row.error.unwrap();
    assert_eq!(error.code, "not-in-plan");
    assert!(error.detail.contains("Free API access"), "{error:?}");
    assert!(row.report_json.is_none(), "an error is no empty wallet");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_changed_behind_a_pin_is_an_alarm() {
    let world = world(chain()).await;
    let first = run(&world, true).await;
    assert!(first.report_json.is_some());
    world.node.set_evm("ethereum", chain().reorganized_from(1_004));
    let row = run(&world, true).await;
    assert_eq!(row.error.unwrap().code, "final-block-changed");
    let stored = "select count(*) from final_blocks";
    assert_eq!(world.database.number(stored).await, 1, "what was known stays");
    let changed = "select count(*) from final_blocks where changed_to is not null";
    assert_eq!(world.database.number(changed).await, 1, "the operator's pages tell of it");
    // One whose final block lies before the known one is no better; one that has it again is.
    world.node.set_evm("ethereum", chain().reorganized_from(1_004).with_final_distance(80));
    assert_eq!(run(&world, true).await.error.unwrap().code, "final-block-changed");
    world.node.set_evm("ethereum", chain());
    assert_eq!(run(&world, true).await.report_json, first.report_json);
    assert_eq!(world.database.number(changed).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_stays_until_all_nodes_have_the_known_block_again() {
    let world = world(chain()).await;
    let forked = RecordedChain::default().with_evm("ethereum", chain().reorganized_from(1_004));
    let forked = RecordedNode::start(forked, "127.0.0.1:0").await.unwrap();
    let node = |node: &RecordedNode| provider("n", ProviderKind::EvmRpc, node.evm_url("ethereum"));
    let run = async |nodes: &[&RecordedNode]| {
        let providers: Vec<ProviderConfig> = nodes.iter().map(|one| node(one)).collect();
        let row = run_with(&world, deps_of(&world, &providers).await, wallet()).await;
        let changed = "select count(*) from final_blocks where changed_to is not null";
        (row.error.map(|error| error.code), world.database.number(changed).await)
    };
    let code = || Some("final-block-changed".to_owned());
    assert_eq!(run(&[&world.node]).await, (None, 0));
    // Whoever is asked first: one of them is on another chain.
    assert_eq!(run(&[&forked, &world.node]).await, (code(), 1));
    assert_eq!(run(&[&world.node, &forked]).await, (code(), 1));
    // One that is silent is no agreement; it does not hold up the wallets either.
    forked.set_faults(Faults::always(FaultKind::Http503));
    assert_eq!(run(&[&world.node, &forked]).await, (None, 1));
    forked.set_faults(Faults::default());
    forked.set_evm("ethereum", chain());
    assert_eq!(run(&[&world.node, &forked]).await, (None, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_an_older_program_took_for_whole_are_read_from_their_beginning() {
    let whole = result(&run(&world(chain()).await, true).await);
    let world = world(chain()).await;
    let covered = "insert into address_scans (chain, address, covered_slot) \
                   select 'ethereum', '0x' || lpad('aa', 40, '0') || '#' || list, 1000000 \
                   from unnest(array['transactions', 'internal', 'erc20', 'erc721', 'erc1155']) list";
    assert_eq!(world.database.execute(covered).await, 5);
    let healed = result(&run(&world, true).await);
    assert_eq!(healed["input_hash"], whole["input_hash"]);
    assert_eq!(healed["coverage"]["missing"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_anywhere_leaves_the_same_result_to_the_next() {
    let wallet = wallet();
    let chain = EvmChain::new(1, payments(450).records()).unwrap();
    let whole = result(&run(&world(chain.clone()).await, true).await);
    let expected = 500 * ETHER - 450 * (ETHER + PLAIN);
    assert_eq!(held(&whole)["native"], expected.to_string());
    assert_eq!(whole["coverage"]["complete"], true, "{}", whole["coverage"]);
    let costly = world(chain).await;
    let id = costly.submit_on(Chain::Ethereum, std::slice::from_ref(&wallet)).await;
    for rows in [0, 100, 300] {
        let worker = TestWorker::start(deps(&costly, true).await);
        let stored = "select count(*) from raw_transactions";
        let grown = async || (costly.database.number(stored).await > rows).then_some(());
        crate::support::eventually(grown).await.unwrap();
        worker.kill().await;
    }
    let worker = TestWorker::start(deps(&costly, true).await);
    costly.until_done(id).await;
    worker.stop().await;
    let resumed = result(&costly.rows(id).await[0]);
    assert_eq!(resumed, whole);
    let receipts = costly.node.stats().calls_of("eth_getTransactionReceipt");
    assert!(receipts <= 451 + 3 * 100, "{receipts}: a commit is the most that is lost");
}

/// The same history behind an explorer that is not at the pin yet, and what it says there is missing.
async fn behind(explorer: EvmChain) -> World {
    let world = world(explorer).await;
    let early = result(&run(&world, true).await);
    assert_eq!(early["coverage"]["complete"], false, "{}", early["coverage"]);
    assert_eq!(early["coverage"]["missing"], json!(["index_head"]));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explorer_behind_the_pin_is_told_and_what_it_left_out_comes_in_later() {
    let whole = result(&run(&world(chain()).await, true).await);
    // By the time of the pin, or where an explorer has no such question by its newest block.
    for lacking in [&[][..], &["getblocknobytime"]] {
        let world = behind(chain().without(lacking).with_index_to(1_004)).await;
        world.node.set_evm("ethereum", chain().without(lacking));
        let late = result(&run(&world, true).await);
        assert_eq!(late["input_hash"], whole["input_hash"]);
        assert_eq!(late["coverage"], whole["coverage"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explorer_that_does_not_tell_how_far_it_is_is_never_called_complete() {
    let lacking = ["getblocknobytime", "eth_block_number"];
    // It has everything, and cannot prove it.
    let whole = result(&run(&world(chain()).await, true).await);
    let world = behind(chain().without(&lacking)).await;
    world.node.reset();
    let again = result(&run(&world, true).await);
    assert_eq!(again["input_hash"], whole["input_hash"]);
    let stats = world.node.stats();
    assert_eq!(stats.calls_of("eth_getTransactionReceipt"), 0);
    // One that was behind and did not say so: its lists are read again from their last blocks on.
    let late = behind(chain().without(&lacking).with_index_to(1_004)).await;
    late.node.set_evm("ethereum", chain().without(&lacking));
    let late = result(&run(&late, true).await);
    assert_eq!(late["input_hash"], whole["input_hash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_read_and_not_called_complete_when_nobody_answers_how_far_the_lists_are() {
    let whole = result(&run(&world(chain()).await, true).await);
    let world = world(chain()).await;
    let only = Some("module=block".to_owned());
    world.node.set_faults(Faults { only, ..Faults::always(FaultKind::Http503) });
    let row = run(&world, true).await;
    assert_eq!(row.attempts, 1, "no attempt is lost over it");
    let unproven = result(&row);
    assert_eq!(unproven["input_hash"], whole["input_hash"]);
    assert_eq!(unproven["coverage"]["missing"], json!(["index_head"]));
    assert_eq!(unproven["coverage"]["complete"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_changes_while_a_wallet_is_read_is_an_alarm_too() {
    let chain = EvmChain::new(1, payments(450).records()).unwrap();
    let world = world(chain.clone()).await;
    let id = world.submit_on(Chain::Ethereum, &[wallet()]).await;
    let worker = TestWorker::start(deps(&world, true).await);
    let pinned = "select count(*) from final_blocks";
    let is_pinned = async || (world.database.number(pinned).await > 0).then_some(());
    crate::support::eventually(is_pinned).await.unwrap();
    worker.kill().await;
    world.node.set_evm("ethereum", chain.reorganized_from(1_004));
    let worker = TestWorker::start(deps(&world, true).await);
    world.until_over(id).await;
    worker.stop().await;
    let row = world.rows(id).await.remove(0);
    assert_eq!(row.error.unwrap().code, "final-block-changed");
    assert!(row.report_json.is_none());
}

/// Wallets of a simulated chain that runs elsewhere: `EVM_DEVNET` names chain, endpoint and manifest
/// with the balances that its own node read. Skipped without it.
#[tokio::test(flavor = "multi_thread")]
async fn wallets_of_a_running_node_sum_to_the_balances_of_that_node() {
    let Ok(named) = std::env::var("EVM_DEVNET") else {
        println!("SKIPPED: EVM_DEVNET is not set (CHAIN,URL,MANIFEST)");
        return;
    };
    let [chain, url, manifest] = named.split(',').collect::<Vec<_>>()[..] else {
        panic!("{named}")
    };
    let chain: Chain = chain.parse().unwrap();
    let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    let wrapped = manifest["contracts"]["WETH"].as_str().unwrap().to_lowercase();
    let network = Network::of(chain).unwrap();
    let network = network.with_wrapped_native(&pnl_core::Address::from_chain_data(&wrapped));
    let provider = ProviderConfig {
        name: "devnet".to_owned(),
        kind: ProviderKind::EvmRpc,
        url: url.to_owned(),
        requests_per_second: 10_000.0,
    };
    let metrics = ClientMetrics::register(&Registry::new()).unwrap();
    let (config, policy) = (EvmConfig::default(), CallPolicy::default());
    let pool = EvmPool::new(chain, &[provider], config, &policy, &metrics).unwrap();
    let source = Source::Evm(Arc::new(pool), network.unwrap());
    let world = World::new(RecordedChain::default()).await;
    let deps = async || WorkerDeps {
        sources: BTreeMap::from([(chain, source.clone())]),
        rules: BTreeMap::from([(chain, pnl_core::ledger::LedgerRules { chain, ..rules() })]),
        ..deps(&world, false).await
    };
    let wallets: Vec<String> = serde_json::from_value(manifest["wallets"].clone()).unwrap();
    let wallets: Vec<String> = wallets.iter().map(|wallet| wallet.to_lowercase()).collect();
    let id = world.submit_on(chain, &wallets).await;
    // The first workers die on the way.
    for stored in [20, 90] {
        let worker = TestWorker::start(deps().await);
        let count = "select count(*) from raw_transactions";
        let grown = async || (world.database.number(count).await > stored).then_some(());
        crate::support::eventually(grown).await.unwrap();
        worker.kill().await;
    }
    let worker = TestWorker::start(deps().await);
    world.until_done(id).await;
    let uninterrupted = world.submit_on(chain, &wallets).await;
    world.until_done(uninterrupted).await;
    worker.stop().await;
    let again = world.rows(uninterrupted).await;
    let rebasing = manifest["contracts"]["DREB"].as_str().map(str::to_lowercase);
    let lying = manifest["contracts"]["POISON"].as_str().map(str::to_lowercase);
    for (row, again) in world.rows(id).await.iter().zip(&again) {
        assert_eq!(row.report_json, again.report_json, "killed and not killed");
        let report = result(row);
        let calls = again.calls.as_ref().map(ToString::to_string).unwrap_or_default();
        println!("{} {} transactions, second run: {calls}", row.wallet, report["transactions"]);
        let of = &manifest["final_balances"];
        let mut known = of.as_object().unwrap().iter();
        let known = known.find(|(name, _)| name.eq_ignore_ascii_case(row.wallet.as_str()));
        let mut known: BTreeMap<String, i128> = known
            .unwrap()
            .1
            .as_object()
            .unwrap()
            .iter()
            .map(|(asset, raw)| (asset.to_lowercase(), raw.as_str().unwrap().parse().unwrap()))
            .collect();
        let coins = known.remove(&wrapped).unwrap_or_default();
        *known.entry("native".to_owned()).or_default() += coins;
        known.retain(|_, raw| *raw != 0);
        let mut summed: BTreeMap<String, i128> = held(&report)
            .into_iter()
            .filter(|(asset, _)| !asset.contains('/'))
            .map(|(asset, raw)| (asset, raw.parse().unwrap()))
            .collect();
        for rest in report["unexplained_raw"].as_array().unwrap() {
            let asset = rest["asset"].as_str().unwrap().to_owned();
            assert_eq!(Some(&asset), rebasing.as_ref(), "only rebases are unexplained");
            *summed.entry(asset).or_default() +=
                rest["raw"].as_str().unwrap().parse::<i128>().unwrap();
        }
        summed.retain(|_, raw| *raw != 0);
        known.retain(|asset, _| Some(asset) != lying.as_ref());
        // Single tokens stand under their contract in the manifest.
        known.retain(|asset, _| {
            !held(&report).keys().any(|one| one.starts_with(&format!("{asset}/")))
        });
        assert_eq!(summed, known, "{}", row.wallet);
        // The simulated chain charges nothing for the first layer, and does not say so.
        let missing = if chain == Chain::Base { json!(["l1_fee"]) } else { json!([]) };
        assert_eq!(report["coverage"]["missing"], missing);
    }
}
