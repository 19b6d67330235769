//! EVM chains: nodes and explorers complement each other, and what they cannot do is told.

use std::collections::BTreeMap;

use chain_client::evm::{ActivityList, Capability, EvmSource, STATE_UNKNOWN, Wanted};
use chain_client::{
    CallCounter, CallPolicy, ChainSource, EvmConfig, EvmPool, ProviderConfig, ProviderKind,
    ProviderState, SourceError,
};
use load_tests::evm::Maker;
use load_tests::{EvmChain, FaultKind, Faults, RecordedChain, RecordedNode};
use pnl_core::{Address, AssetId, Chain, RawAmount, RawTransaction, TxId};
use serde_json::Value;

use crate::support::{hasty, metrics, node};

const ETHER: u128 = 1_000_000_000_000_000_000;

pub fn wallet() -> String {
    Maker::address(0xaa)
}

pub fn token() -> String {
    Maker::address(0xc0)
}

pub fn address(text: &str) -> Address {
    Address::from_chain_data(text)
}

/// A wallet that receives coins, pays, swaps them for a token and gets change from a contract.
fn history(began: i64) -> Maker {
    let (wallet, token, router) = (wallet(), token(), Maker::address(0xd0));
    let other = Maker::address(0xbb);
    let mut maker = Maker::new(1_000, began);
    maker.send(&other, &wallet, 10 * ETHER).send(&wallet, &other, ETHER);
    maker.call(&wallet, &router, 2 * ETHER, &[(&token, &router, &wallet, 500)]);
    maker.inside(&router, &wallet, ETHER / 2);
    maker.call(&other, &token, 0, &[(&token, &other, &wallet, 7)]).same_block();
    maker.send(&wallet, &other, 1);
    maker
}

pub fn chain() -> EvmChain {
    chain_since(1_700_000_000)
}

/// The same, block 1,000 at this time.
pub fn chain_since(began: i64) -> EvmChain {
    EvmChain::new(1, history(began).records()).unwrap().with_token(&token(), 6, "ALFA")
}

pub async fn serve(name: &str, chain: EvmChain) -> RecordedNode {
    node(RecordedChain::default().with_evm(name, chain)).await
}

fn provider(name: &str, kind: ProviderKind, url: String) -> ProviderConfig {
    ProviderConfig { name: name.to_owned(), kind, url, requests_per_second: 100_000.0 }
}

pub fn node_of(name: &str, node: &RecordedNode) -> ProviderConfig {
    provider(name, ProviderKind::EvmRpc, node.evm_url("ethereum"))
}

pub fn explorer_of(name: &str, node: &RecordedNode) -> ProviderConfig {
    provider(name, ProviderKind::Etherscan, node.explorer_url("ethereum"))
}

pub fn pool_with(providers: &[ProviderConfig], config: EvmConfig, policy: &CallPolicy) -> EvmPool {
    EvmPool::new(Chain::Ethereum, providers, config, policy, &metrics()).unwrap()
}

pub fn pool(providers: &[ProviderConfig]) -> EvmPool {
    pool_with(providers, EvmConfig::default(), &hasty())
}

pub fn wanted(chain: &EvmChain, traced: bool) -> Vec<Wanted> {
    let want = |hash: String| Wanted { tx_id: TxId::new(&hash), block: 0, traced };
    chain.hashes().into_iter().map(want).collect()
}

pub fn json(raw: &RawTransaction) -> Value {
    serde_json::from_slice(&raw.json).unwrap()
}

/// Every page of a list.
pub async fn whole(pool: &EvmPool, list: ActivityList, to: u64) -> BTreeMap<String, u64> {
    let (mut from, mut rows) = (0, BTreeMap::new());
    while from <= to {
        let page = pool.activity(&address(&wallet()), list, from, to).await.unwrap();
        assert!(page.reached >= from && page.reached <= to);
        rows.extend(page.rows.into_iter().map(|row| (row.tx_id.to_string(), row.block)));
        from = page.reached + 1;
    }
    rows
}

#[tokio::test]
async fn the_pin_is_the_final_block_or_one_with_so_many_on_it() {
    let node = serve("ethereum", chain()).await;
    let final_block = pool(&[node_of("a", &node)]).finalized().await.unwrap();
    assert_eq!(final_block.number, chain().finalized());
    let config = EvmConfig { confirmations: Some(7) };
    let by_count = pool_with(&[node_of("a", &node)], config, &hasty());
    assert_eq!(by_count.pin().await.unwrap().block, chain().head() - 7);
    assert_eq!(by_count.block(1_003).await.unwrap().time, 1_700_000_036);
}

#[tokio::test]
async fn an_explorer_lists_in_five_calls_and_an_own_node_finds_the_same() {
    let node = serve("ethereum", chain()).await;
    let explorer = pool(&[explorer_of("scan", &node), node_of("a", &node)]);
    let to = explorer.finalized().await.unwrap().number;
    let mut listed = BTreeMap::new();
    for need in explorer.needs() {
        for list in need.ways[0] {
            listed.extend(whole(&explorer, *list, to).await);
        }
    }
    assert_eq!(node.stats().requests["/etherscan/ethereum/api"], 5);
    assert_eq!(listed.len(), 5, "{listed:?}");
    for lacking in [&[][..], &["ots_searchTransactionsAfter"]] {
        let node = serve("ethereum", chain().without(lacking).with_max_range(40)).await;
        let own = pool(&[node_of("a", &node)]);
        let mut found = whole(&own, ActivityList::Calls, to).await;
        found.extend(whole(&own, ActivityList::Logs, to).await);
        assert_eq!(found, listed, "without {lacking:?}");
    }
}

#[tokio::test]
async fn a_node_behind_the_pin_ends_no_list() {
    for lacking in [&[][..], &["ots_searchTransactionsAfter"]] {
        for calls_at_once in [100, 3, 1] {
            let all = chain().without(lacking).with_max_batch(calls_at_once);
            let ahead = serve("ethereum", all.clone()).await;
            let late = serve("ethereum", all.clone().only_to(1_003)).await;
            let to = chain().finalized();
            let alone = pool(&[node_of("ahead", &ahead)]);
            let both = pool(&[node_of("late", &late), node_of("ahead", &ahead)]);
            let only_late = pool(&[node_of("late", &late)]);
            for list in [ActivityList::Calls, ActivityList::Logs] {
                let expected = whole(&alone, list, to).await;
                assert!(expected.values().any(|block| *block > 1_003));
                assert_eq!(whole(&both, list, to).await, expected, "{lacking:?}");
                let error = only_late.activity(&address(&wallet()), list, 0, to).await.unwrap_err();
                let passes =
                    matches!(error, SourceError::NotFound { .. } | SourceError::Transient { .. });
                assert!(passes, "{error:?}");
                // What it has counts.
                let page = only_late.activity(&address(&wallet()), list, 0, 1_003).await.unwrap();
                assert_eq!(page.reached, 1_003);
            }
        }
    }
}

#[tokio::test]
async fn a_node_that_lacks_a_list_hides_it_nowhere_whatever_batches_it_takes() {
    let lists = ["ots_searchTransactionsAfter", "trace_filter", "eth_getLogs"];
    let to = chain().finalized();
    let other = serve("ethereum", chain()).await;
    let alone = pool(&[node_of("b", &other)]);
    for (batches, other_batches) in [(1, 1), (100, 1), (1, 100)] {
        let lacking = serve("ethereum", chain().without(&lists).with_max_batch(batches)).await;
        let having = serve("ethereum", chain().with_max_batch(other_batches)).await;
        for list in [ActivityList::Calls, ActivityList::Logs] {
            // Each list by a pool that knows nothing of them yet.
            let both = pool(&[node_of("a", &lacking), node_of("b", &having)]);
            let expected = whole(&alone, list, to).await;
            assert_eq!(whole(&both, list, to).await, expected, "{batches} {other_batches}");
        }
        // Whoever is behind may still have the list.
        let late = serve("ethereum", chain().with_max_batch(1).only_to(1_003)).await;
        let both = pool(&[node_of("a", &lacking), node_of("b", &late)]);
        let error = both.activity(&address(&wallet()), ActivityList::Calls, 0, to).await;
        let passes =
            matches!(error, Err(SourceError::NotFound { .. } | SourceError::Transient { .. }));
        assert!(passes, "{error:?}");
        let late = chain().without(&lists).with_max_batch(1).only_to(1_003);
        let late = serve("ethereum", late).await;
        let both = pool(&[node_of("a", &lacking), node_of("b", &late)]);
        let error = both.activity(&address(&wallet()), ActivityList::Calls, 0, to).await;
        assert_eq!(error.unwrap_err().code(), "method-not-found");
    }
}

#[tokio::test]
async fn an_own_node_finds_what_old_tokens_did_without_a_transfer() {
    let mkr = "0x9f8f72aa9304c8b593d555f12ef6589cc3a579a2";
    let (other, another) = (Maker::address(0xbb), Maker::address(0xc9));
    let mut maker = Maker::new(1_000, 1_700_000_000);
    for contract in [mkr, &another] {
        maker.call(&other, contract, 0, &[(contract, &other, &other, 5)]);
    }
    let mut records = maker.records();
    for record in &mut records {
        let topics = &mut record["receipt"]["logs"][0]["topics"];
        // Burn(address,uint256): the wallet's, by somebody else.
        let burn = "0xcc16f5dbb4873280815c1ee09dbd06736cffcc184412cf7a71a0fdb75d397ca5";
        *topics = serde_json::json!([burn, format!("0x{:0>64}", &wallet()[2..])]);
    }
    let chain = EvmChain::new(1, records).unwrap();
    let node = serve("ethereum", chain.clone()).await;
    let found = whole(&pool(&[node_of("a", &node)]), ActivityList::Logs, chain.finalized()).await;
    assert_eq!(found.into_keys().collect::<Vec<_>>(), [chain.hashes()[0].clone()]);
}

#[tokio::test]
async fn what_nobody_offers_is_a_refusal_and_the_needs_name_the_ways() {
    let node =
        serve("ethereum", chain().without(&["ots_searchTransactionsAfter", "trace_filter"])).await;
    let pool = pool(&[node_of("a", &node)]);
    let needs = pool.needs();
    assert_eq!(needs[0].capability, Capability::EnumerateSent);
    assert_eq!(needs[0].ways, [&[ActivityList::Calls][..]]);
    for list in [ActivityList::Calls, ActivityList::Transactions] {
        let error = pool.activity(&address(&wallet()), list, 0, 9).await.unwrap_err();
        assert_eq!(error.code(), "method-not-found", "{error}");
    }
    let before = node.stats().requests["/evm/ethereum"];
    pool.activity(&address(&wallet()), ActivityList::Calls, 0, 9).await.unwrap_err();
    assert_eq!(node.stats().requests["/evm/ethereum"], before, "it is remembered");
}

#[tokio::test]
async fn a_refusal_of_an_explorer_is_an_error_in_its_words_and_shows_no_key() {
    let words = "Free API access is not supported for this chain. Please upgrade. SECRETKEY1";
    let node = serve("ethereum", chain().refusing(words)).await;
    let url = node.explorer_url("v2") + "?apikey=SECRETKEY1";
    let pool = pool(&[provider("scan", ProviderKind::Etherscan, url), node_of("a", &node)]);
    let list = ActivityList::Transactions;
    let error = pool.activity(&address(&wallet()), list, 0, 9).await.unwrap_err();
    assert_eq!(error.code(), "not-in-plan");
    let text = error.to_string();
    assert!(text.contains("Free API access") && !text.contains("SECRETKEY1"), "{text}");
}

#[tokio::test]
async fn transactions_come_in_batches_with_what_belongs_to_them() {
    let chain = chain();
    let node = serve("ethereum", chain.clone().with_max_batch(3)).await;
    let pool = pool(&[node_of("a", &node)]);
    let counter = CallCounter::new();
    let read =
        counter.scope(async { pool.transactions(&wanted(&chain, true)).await.unwrap() }).await;
    assert_eq!(read.len(), 5);
    assert_eq!(read[0].block_time, Some(1_700_000_012));
    let swap = json(&read[2]);
    assert_eq!(swap["internal_transfers"][0]["value"], (ETHER / 2).to_string());
    assert_eq!(
        json(&read[1])["internal_transfers"],
        Value::Null,
        "a plain transfer needs no trace"
    );
    for raw in &read {
        assert_eq!(json(raw)["receipt"]["transactionHash"], raw.tx_id.as_str());
    }
    // The batch that was refused counts, too; traces only of the two calls.
    assert_eq!(node.stats().calls_of("eth_getTransactionReceipt"), 5);
    assert_eq!(node.stats().calls_of("eth_getBlockByNumber"), 4);
    assert_eq!(node.stats().calls_of("debug_traceTransaction"), 2);
    let untraced = pool.transactions(&wanted(&chain, false)).await.unwrap();
    assert_eq!(json(&untraced[2])["internal_transfers"], Value::Null);
    assert_eq!(node.stats().calls_of("debug_traceTransaction"), 2);
}

#[tokio::test]
async fn a_call_whose_gas_was_paid_back_is_traced() {
    let mut maker = Maker::new(1_000, 1_700_000_000);
    maker.send(&wallet(), &token(), 1).inside(&token(), &wallet(), 7);
    let mut records = maker.records();
    records[0]["receipt"]["gasUsed"] = "0x4a9c".into();
    let chain = EvmChain::new(1, records).unwrap();
    let node = serve("ethereum", chain.clone()).await;
    let read = pool(&[node_of("a", &node)]).transactions(&wanted(&chain, true)).await.unwrap();
    assert_eq!(json(&read[0])["internal_transfers"][0]["value"], "7");
}

#[tokio::test]
async fn receipts_of_a_crowded_block_come_as_a_whole_where_the_node_can() {
    let mut maker = Maker::new(1_000, 1_700_000_000);
    maker.send(&wallet(), &token(), 1);
    for _ in 0..5 {
        maker.same_block().send(&wallet(), &token(), 1);
    }
    let chain = EvmChain::new(1, maker.records()).unwrap();
    for (lacking, single) in [(&[][..], 0), (&["eth_getBlockReceipts"], 6)] {
        let node = serve("ethereum", chain.clone().without(lacking)).await;
        let read = pool(&[node_of("a", &node)]).transactions(&wanted(&chain, true)).await.unwrap();
        assert_eq!(read.len(), 6);
        assert_eq!(node.stats().calls_of("eth_getTransactionReceipt"), single);
    }
}

#[tokio::test]
async fn traces_come_from_whoever_has_them() {
    let chain = chain();
    let all = ["debug_traceTransaction", "trace_transaction", "ots_getInternalOperations"];
    for missing in 0..=all.len() {
        let node = serve("ethereum", chain.clone().without(&all[..missing])).await;
        let pool = pool(&[explorer_of("scan", &node), node_of("a", &node)]);
        let read = pool.transactions(&wanted(&chain, true)).await.unwrap();
        let rows = json(&read[2])["internal_transfers"].clone();
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "without {missing}: {rows}");
        assert_eq!(rows[0]["to"], wallet());
    }
    // What Otterscan names may have been reverted; where it names nothing there is nothing.
    for (missing, none) in [(2, serde_json::json!([])), (3, Value::Null)] {
        let node = serve("ethereum", chain.clone().without(&all[..missing])).await;
        let read = pool(&[node_of("a", &node)]).transactions(&wanted(&chain, true)).await.unwrap();
        assert_eq!(json(&read[2])["internal_transfers"], Value::Null, "unknown is not none");
        assert_eq!(json(&read[3])["internal_transfers"], none, "without {missing}");
    }
}

#[tokio::test]
async fn a_transaction_that_nobody_can_trace_costs_no_trace_of_another() {
    let chain = chain();
    let hashes = chain.hashes();
    // The swap can be traced nowhere; the payment of a contract only at the second node.
    for words in [
        "execution timeout",
        "required historical state unavailable",
        "not found",
        "Internal error",
        "tracing failed: unexpected opcode",
    ] {
        let swap = |chain: EvmChain| chain.with_trace_fault(&hashes[2], words);
        let a = serve("ethereum", swap(chain.clone().with_trace_fault(&hashes[3], words))).await;
        let b = serve("ethereum", swap(chain.clone())).await;
        let both = pool(&[node_of("a", &a), node_of("b", &b)]);
        let read = both.transactions(&wanted(&chain, true)).await.unwrap();
        let internal = |place: usize| json(&read[place])["internal_transfers"].clone();
        assert_eq!(internal(2), Value::Null, "{words}");
        assert_eq!(internal(3), serde_json::json!([]), "{words}");
        let alone = pool(&[node_of("a", &a)]).transactions(&wanted(&chain, true)).await.unwrap();
        assert_eq!(json(&alone[3])["internal_transfers"], Value::Null, "{words}");
        // An explorer knows what no node can tell.
        let helped = pool(&[node_of("a", &a), explorer_of("scan", &b)]);
        let read = helped.transactions(&wanted(&chain, true)).await.unwrap();
        assert_eq!(json(&read[2])["internal_transfers"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn a_base_receipt_without_its_first_layer_fee_is_asked_of_another_node() {
    let mut maker = Maker::new(1_000, 1_700_000_000);
    maker.send(&wallet(), &token(), 1).l1_fee(777);
    let chain = EvmChain::new(8453, maker.records()).unwrap();
    let lacking = serve("base", chain.clone().without_l1_fee()).await;
    let whole = serve("base", chain.clone()).await;
    let on_base = |nodes: &[&RecordedNode]| {
        let providers: Vec<ProviderConfig> = nodes
            .iter()
            .zip(["a", "b"])
            .map(|(node, name)| provider(name, ProviderKind::EvmRpc, node.evm_url("base")))
            .collect();
        EvmPool::new(Chain::Base, &providers, EvmConfig::default(), &hasty(), &metrics()).unwrap()
    };
    let fee = async |pool: &EvmPool| {
        let read = pool.transactions(&wanted(&chain, true)).await.unwrap();
        json(&read[0])["receipt"]["l1Fee"].clone()
    };
    let both = on_base(&[&lacking, &whole]);
    assert_eq!(fee(&both).await, "0x309");
    fee(&both).await;
    assert_eq!(lacking.stats().calls_of("eth_getTransactionReceipt"), 1, "it is remembered");
    assert_eq!(fee(&on_base(&[&lacking])).await, Value::Null);
}

#[tokio::test]
async fn balances_are_those_of_the_block_or_unknown() {
    let chain = chain();
    let node = serve("ethereum", chain.clone().with_state_from(1_003)).await;
    let pool = pool(&[node_of("a", &node)]);
    let assets = [AssetId::native(), AssetId::new(&token()), AssetId::new(&Maker::address(0xee))];
    let held = pool.balances(&address(&wallet()), &assets, 1_003).await.unwrap();
    // 10 - 1 - 2 + 0.5 less the gas of a plain transfer and of a call.
    let native = 15 * ETHER / 2 - 81_000 * 1_000_000_000;
    let held_now = [native, 500, 0].map(|raw| Some(RawAmount::from(raw)));
    assert_eq!(held, held_now);
    let error = pool.balances(&address(&wallet()), &assets, 1_002).await.unwrap_err();
    assert_eq!(error.code(), STATE_UNKNOWN);
}

#[tokio::test]
async fn contracts_tell_decimals_and_symbol_or_nothing() {
    let node = serve("ethereum", chain()).await;
    let contracts = [AssetId::new(&token()), AssetId::new(&Maker::address(0xee))];
    let facts = pool(&[node_of("a", &node)]).tokens(&contracts).await.unwrap();
    assert_eq!((facts[0].decimals, facts[0].symbol.as_deref()), (Some(6), Some("ALFA")));
    assert_eq!((facts[1].decimals, facts[1].symbol.as_deref()), (None, None));
}

#[tokio::test]
async fn every_kind_of_failure_is_outlived_and_changes_no_answer() {
    let chain = chain();
    let node = serve("ethereum", chain.clone()).await;
    let patient = CallPolicy { call_tries: 40, ..hasty() };
    let providers = [explorer_of("scan", &node), node_of("a", &node)];
    let pool = pool_with(&providers, EvmConfig::default(), &patient);
    let to = pool.finalized().await.unwrap().number;
    let expected = pool.transactions(&wanted(&chain, true)).await.unwrap();
    let listed = whole(&pool, ActivityList::Transactions, to).await;
    for seed in 1..=12 {
        node.set_faults(Faults { error_rate: 0.5, seed, ..Faults::default() });
        assert_eq!(pool.transactions(&wanted(&chain, true)).await.unwrap(), expected);
        assert_eq!(whole(&pool, ActivityList::Transactions, to).await, listed);
    }
    assert!(node.stats().faults_given() > 20);
}

#[tokio::test]
async fn outages_and_waits_are_told_as_for_solana() {
    let node = serve("ethereum", chain()).await;
    let pool = pool(&[explorer_of("scan", &node), node_of("a", &node)]);
    node.set_faults(Faults::always(FaultKind::Http503));
    assert!(matches!(pool.finalized().await, Err(SourceError::Outage { .. })));
    assert!(pool.probe().await.is_err());
    node.set_faults(Faults {
        only: Some("etherscan".to_owned()),
        ..Faults::always(FaultKind::Http503)
    });
    assert!(pool.finalized().await.is_ok());
    assert!(pool.probe().await.is_err(), "the explorer is still away");
    let list = ActivityList::Transactions;
    let lists = pool.activity(&address(&wallet()), list, 0, 9).await;
    assert!(matches!(lists, Err(SourceError::Outage { .. })));
    let states: Vec<ProviderState> = pool.status().iter().map(|provider| provider.state).collect();
    assert_eq!(states, [ProviderState::Down, ProviderState::Ok]);
    node.set_faults(Faults { retry_after: "500".to_owned(), ..Faults::always(FaultKind::Http429) });
    assert!(matches!(pool.finalized().await, Err(SourceError::RateLimited { .. })));
}

#[tokio::test]
async fn a_node_of_another_chain_tells_nothing() {
    let records = history(1_700_000_000).records();
    let wrong = serve("ethereum", EvmChain::new(8453, records).unwrap()).await;
    let right = serve("ethereum", chain()).await;
    let alone = pool(&[node_of("wrong", &wrong)]);
    let error = alone.finalized().await.unwrap_err();
    assert_eq!(error.code(), "provider-wrong-chain");
    assert!(error.to_string().contains("0x2105") && alone.probe().await.is_err(), "{error}");
    let told = &alone.status()[0];
    assert_eq!(told.state, ProviderState::Down);
    assert!(told.detail.as_deref().unwrap().contains("provider-wrong-chain"), "{told:?}");
    assert_eq!(alone.block_at_each_node(1_003).await, [None]);
    let both = pool(&[node_of("wrong", &wrong), node_of("right", &right)]);
    assert_eq!(both.finalized().await.unwrap().number, chain().finalized());
    both.transactions(&wanted(&chain(), true)).await.unwrap();
    assert_eq!(wrong.stats().calls_of("eth_getTransactionByHash"), 0);
    assert_eq!(right.stats().calls_of("eth_chainId"), 1, "once");
    // One that does not know the question is believed.
    let silent = serve("ethereum", chain().without(&["eth_chainId"])).await;
    assert!(pool(&[node_of("silent", &silent)]).finalized().await.is_ok());
}

#[tokio::test]
async fn a_budget_counts_every_call_of_a_batch() {
    let chain = chain();
    let node = serve("ethereum", chain.clone()).await;
    let slow = ProviderConfig { requests_per_second: 6.0, ..node_of("a", &node) };
    pool(&[slow]).transactions(&wanted(&chain, true)).await.unwrap();
    assert!(node.stats().max_rps["/evm/ethereum"] <= 6, "{:?}", node.stats());
}

#[tokio::test]
async fn a_transaction_whose_block_was_replaced_is_not_taken_for_the_old_one() {
    let chain = chain();
    let node = serve("ethereum", chain.clone()).await;
    let pool = pool(&[node_of("a", &node)]);
    let before = pool.block(1_003).await.unwrap();
    node.set_evm("ethereum", chain.clone().reorganized_from(1_003));
    let after = pool.block(1_003).await.unwrap();
    assert_ne!(before.hash, after.hash);
    assert_eq!(pool.block(1_002).await.unwrap().number, 1_002);
}
