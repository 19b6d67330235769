//! Tokens that lie, and transactions whose coins are unknown: what is believed of a wallet's events.

use std::collections::BTreeMap;

use load_tests::EvmChain;
use load_tests::evm::Maker;
use persistence_layer::results::ResultRow;
use pnl_core::Chain;
use serde_json::json;

use crate::evm::{ETHER, deps, held, run, run_with, tokens, wallet, world};
use crate::support::{World, result};

/// A smart account: others send its transactions. It trades tokens that rebase, against the coin and a
/// listed stablecoin, and sells all of them.
#[tokio::test(flavor = "multi_thread")]
async fn trades_of_a_smart_account_are_no_lies_where_the_past_is_not_kept() {
    let (wallet, other, router) = (wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [listed, rebasing, liar] = tokens();
    let (silent, rebasing_too) = (Maker::address(0xc3), Maker::address(0xc4));
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&other, &wallet, 10 * ETHER);
    maker.call(&other, &router, 0, &[(&listed, &router, &wallet, 100_000)]);
    maker.call(&other, &router, 0, &[(&rebasing, &router, &wallet, 900)]);
    maker.inside(&wallet, &router, ETHER);
    maker.call(&other, &router, 0, &[(&rebasing, &wallet, &router, 903)]);
    maker.inside(&router, &wallet, 2 * ETHER);
    // One that was given and is sold; one that is bought, and does not tell what anybody has.
    maker.call(&other, &router, 0, &[(&rebasing_too, &router, &wallet, 40)]);
    let sold = [(&*rebasing_too, &*wallet, &*router, 41), (&listed, &router, &wallet, 70_000)];
    maker.call(&other, &router, 0, &sold);
    let bought = [(&*silent, &*router, &*wallet, 5), (&listed, &wallet, &router, 60_000)];
    maker.call(&other, &router, 0, &bought);
    maker.call(&other, &liar, 0, &[(&liar, &router, &wallet, 1_000_000)]);
    let chain = EvmChain::new(1, maker.records()).unwrap().with_fake(&liar).with_silent(&silent);
    let now = chain.finalized();
    let world = world(chain.with_state_from(now)).await;
    let report = result(&run_listing(&world, &listed).await);
    let held = held(&report);
    assert_eq!(held[&listed], "110000");
    assert_eq!(held[&rebasing], "-3");
    assert_eq!(held[&rebasing_too], "-1");
    assert_eq!(held[&silent], "5");
    assert!(!held.contains_key(&liar), "a receipt of what the wallet never held");
}

/// A wallet of a node alone, with a listed stablecoin.
async fn run_listing(world: &World, stablecoin: &str) -> ResultRow {
    let mut deps = deps(world, false).await;
    let rules = deps.rules.get_mut(&Chain::Ethereum).unwrap();
    rules.stablecoins.insert(pnl_core::AssetId::new(stablecoin));
    run_with(world, deps, wallet()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_tokens_prove_each_other_no_more_than_dust_does() {
    let (wallet, other, router) = (wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [listed, liar, another] = tokens();
    let silent = Maker::address(0xc3);
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&other, &wallet, 10 * ETHER);
    maker.call(&other, &silent, 0, &[(&silent, &router, &wallet, 1_000)]);
    let both = [(&*liar, &*router, &*wallet, 30), (&*another, &*wallet, &*router, 20)];
    maker.call(&other, &liar, 0, &both);
    maker.call(&other, &another, 0, &[(&another, &wallet, &router, 10)]);
    maker.inside(&router, &wallet, 1);
    let dust = [(&*liar, &*wallet, &*router, 7), (&*listed, &*router, &*wallet, 9)];
    maker.call(&other, &liar, 0, &dust);
    let chain = EvmChain::new(1, maker.records()).unwrap();
    let chain = chain.with_fake(&liar).with_fake(&another).with_silent(&silent);
    let expected = BTreeMap::from([
        (listed.clone(), "9".to_owned()),
        ("native".to_owned(), (10 * ETHER + 1).to_string()),
    ]);
    // Whether the past is kept or not.
    for kept in [0, chain.finalized()] {
        let world = world(chain.clone().with_state_from(kept)).await;
        assert_eq!(held(&result(&run_listing(&world, &listed).await)), expected, "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_moves_more_than_any_balance_holds_is_left_out_and_the_others_are_not() {
    const MOST: u128 = 0xdead_beef_dead_beef_dead_beef_dead_beef;
    let (wallet, other, router) = (wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [honest, another, liar] = tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&other, &wallet, 10 * ETHER);
    maker.call(&other, &router, 0, &[(&honest, &router, &wallet, 5_000)]);
    // More in one transaction, and something that would fit.
    maker.call(&other, &another, 0, &[(&*another, &*router, &*wallet, MOST); 2]);
    maker.call(&other, &another, 0, &[(&another, &router, &wallet, 7)]);
    for _ in 0..3 {
        maker.call(&other, &liar, 0, &[(&liar, &router, &wallet, MOST)]);
    }
    // Each time 2^256 - 1.
    let records = serde_json::to_string(&maker.records()).unwrap();
    let records = records.replace(&format!("{MOST:064x}"), &"f".repeat(64));
    let chain = EvmChain::new(1, serde_json::from_str(&records).unwrap()).unwrap();
    let chain = chain.with_fake(&liar).with_fake(&another);
    let now = chain.finalized();
    // Whether balances are kept or not.
    for kept in [0, now, u64::MAX] {
        let world = world(chain.clone().with_state_from(kept)).await;
        let report = result(&run(&world, false).await);
        let expected = [(honest.clone(), "5000"), ("native".to_owned(), "10000000000000000000")];
        assert_eq!(held(&report), expected.map(|(asset, raw)| (asset, raw.to_owned())).into());
        let coverage = report["coverage"]["complete"].as_bool().unwrap();
        assert_eq!(coverage, kept != u64::MAX, "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_claims_a_balance_beside_all_that_left_is_left_out_and_the_others_are_not() {
    const MOST: u128 = 0xdead_beef_dead_beef_dead_beef_dead_beef;
    let (wallet, other, router) = (wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [honest, claimer, _] = tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.send(&other, &wallet, 10 * ETHER);
    maker.call(&other, &router, 0, &[(&honest, &router, &wallet, 5_000)]);
    maker.call(&other, &router, 0, &[(&claimer, &router, &wallet, 5)]);
    // 2^256 - 1 leave, which fits, and 82 are said to be there, which makes more than fits.
    maker.call(&other, &router, 0, &[(&claimer, &wallet, &router, MOST)]);
    let records = serde_json::to_string(&maker.records()).unwrap();
    let records = records.replace(&format!("{MOST:064x}"), &"f".repeat(64));
    let chain = EvmChain::new(1, serde_json::from_str(&records).unwrap()).unwrap();
    let now = chain.finalized();
    // Where the past is not kept nothing contradicts the events.
    let world = world(chain.with_drift(&claimer, 77).with_state_from(now)).await;
    let report = result(&run(&world, false).await);
    let expected = [(honest, "5000"), ("native".to_owned(), "10000000000000000000")];
    assert_eq!(held(&report), expected.map(|(asset, raw)| (asset, raw.to_owned())).into());
    let claimed = json!([{"asset": claimer, "raw": "82"}]);
    assert_eq!(report["unexplained_raw"], claimed);
}

#[tokio::test(flavor = "multi_thread")]
async fn coins_are_unknown_where_nobody_lists_who_sent_any() {
    let (wallet, other, router) = (wallet(), Maker::address(0xbb), Maker::address(0xd0));
    let [honest, ..] = tokens();
    let mut maker = Maker::new(1_000, 1_704_067_200);
    maker.call(&other, &router, 0, &[(&honest, &router, &wallet, 500)]);
    maker.call(&other, &router, 0, &[(&honest, &wallet, &router, 500)]);
    maker.inside(&router, &wallet, ETHER);
    let chain = EvmChain::new(1, maker.records()).unwrap();
    let chain = chain.without(&["ots_searchTransactionsAfter", "trace_filter"]);
    let report = result(&run(&world(chain.clone()).await, false).await);
    let lists = json!(["enumerate_sent", "enumerate_internal"]);
    assert_eq!(report["coverage"]["missing"], lists);
    assert_eq!(held(&report)["native"], ETHER.to_string(), "what it was sold for");
    let traces = ["debug_traceTransaction", "trace_transaction", "ots_getInternalOperations"];
    let report = result(&run(&world(chain.without(&traces)).await, false).await);
    let all = json!(["enumerate_sent", "enumerate_internal", "traces"]);
    assert_eq!(report["coverage"]["missing"], all, "nobody knows what it was sold for");
}
