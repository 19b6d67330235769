//! Lists that come in parts, whether their provider says so or not.

use chain_client::SourceError;
use chain_client::evm::{ActivityList, EvmSource};
use load_tests::evm::Maker;
use load_tests::{EvmChain, FaultKind, Faults};

use crate::evm::{address, explorer_of, node_of, pool, serve, token, wallet, whole};

#[tokio::test]
async fn lists_go_on_behind_windows_and_silent_caps() {
    let (wallet, other) = (wallet(), Maker::address(0xbb));
    let mut maker = Maker::new(1_000, 1_700_000_000);
    for nonce in 0..1_234 {
        if nonce % 3 == 2 {
            maker.same_block();
        }
        maker.send(&other, &wallet, 1);
    }
    let chain = EvmChain::new(1, maker.records()).unwrap();
    // The last page is longer than any before that was whole: one call more.
    for (cap, calls) in [(10_000, 2), (500, 4), (100, 14)] {
        let node = serve("ethereum", chain.clone().with_max_page(cap)).await;
        let pool = pool(&[explorer_of("scan", &node), node_of("a", &node)]);
        let rows = whole(&pool, ActivityList::Transactions, chain.finalized()).await;
        assert_eq!(rows.len(), 1_234, "pages of {cap}");
        assert_eq!(node.stats().requests["/etherscan/ethereum/api"], calls);
    }
}

#[tokio::test]
async fn lists_go_on_behind_caps_at_odd_numbers_and_whole_pages_are_remembered() {
    let (wallet, other) = (wallet(), Maker::address(0xbb));
    let mut maker = Maker::new(1_000, 1_700_000_000);
    for nonce in 0..134 {
        if nonce % 3 == 2 {
            maker.same_block();
        }
        maker.send(&other, &wallet, 1);
    }
    let chain = EvmChain::new(1, maker.records()).unwrap();
    let list = ActivityList::Transactions;
    for cap in [25, 30, 59, 10_000] {
        let node = serve("ethereum", chain.clone().with_max_page(cap)).await;
        let pool = pool(&[explorer_of("scan", &node), node_of("a", &node)]);
        assert_eq!(whole(&pool, list, chain.finalized()).await.len(), 134, "pages of {cap}");
        if cap == 10_000 {
            let asked = || node.stats().requests["/etherscan/ethereum/api"];
            assert_eq!(asked(), 2);
            whole(&pool, list, chain.finalized()).await;
            assert_eq!(asked(), 4, "as long as the longest whole page");
            whole(&pool, list, 1_080).await;
            assert_eq!(asked(), 5, "shorter");
        }
    }
    // Each explorer has a cap of its own.
    let short = serve("ethereum", chain.clone().with_max_page(30)).await;
    let long = serve("ethereum", chain.clone()).await;
    let both =
        pool(&[explorer_of("long", &long), explorer_of("short", &short), node_of("a", &long)]);
    assert_eq!(whole(&both, list, chain.finalized()).await.len(), 134);
    long.set_faults(Faults {
        only: Some("etherscan".to_owned()),
        ..Faults::always(FaultKind::Http503)
    });
    assert_eq!(whole(&both, list, chain.finalized()).await.len(), 134);
    assert!(short.stats().requests["/etherscan/ethereum/api"] > 5);
}

#[tokio::test]
async fn a_node_that_cuts_its_answers_in_silence_is_asked_for_shorter_spans() {
    let (wallet, other) = (wallet(), Maker::address(0xbb));
    let mut maker = Maker::new(1_000, 1_700_000_000);
    for _ in 0..233 {
        maker.call(&other, &token(), 0, &[(&token(), &other, &wallet, 7)]);
        maker.send(&other, &wallet, 1);
    }
    let chain =
        EvmChain::new(1, maker.records()).unwrap().without(&["ots_searchTransactionsAfter"]);
    for list in [ActivityList::Logs, ActivityList::Calls] {
        for cap in [50, 100, 10_000] {
            let node = serve("ethereum", chain.clone().with_max_rows(cap)).await;
            let pool = pool(&[node_of("a", &node)]);
            assert_eq!(whole(&pool, list, chain.finalized()).await.len(), 233, "{list:?} {cap}");
        }
    }
    // One block cannot be asked for in parts.
    let mut maker = Maker::new(1_000, 1_700_000_000);
    maker.call(&other, &token(), 0, &[(&token(), &other, &wallet, 7)]);
    for _ in 1..50 {
        maker.same_block().call(&other, &token(), 0, &[(&token(), &other, &wallet, 7)]);
    }
    let chain = EvmChain::new(1, maker.records()).unwrap();
    let node = serve("ethereum", chain.clone()).await;
    let pool = pool(&[node_of("a", &node)]);
    assert_eq!(whole(&pool, ActivityList::Logs, chain.finalized()).await.len(), 50);
}

#[tokio::test]
async fn a_block_that_fills_a_page_is_read_to_its_end() {
    let (wallet, other) = (wallet(), Maker::address(0xbb));
    let mut maker = Maker::new(1_000, 1_700_000_000);
    maker.send(&other, &wallet, 1);
    for rows in [120, 100] {
        for _ in 1..rows {
            maker.same_block().send(&other, &wallet, 1);
        }
        maker.send(&other, &wallet, 1);
    }
    let chain = EvmChain::new(1, maker.records()).unwrap();
    for cap in [50, 100, 10_000] {
        let node = serve("ethereum", chain.clone().with_max_page(cap)).await;
        let pool = pool(&[explorer_of("scan", &node), node_of("a", &node)]);
        let rows = whole(&pool, ActivityList::Transactions, chain.finalized()).await;
        assert_eq!(rows.len(), 221, "pages of {cap}");
    }
}

#[tokio::test]
async fn a_list_that_takes_an_explorer_too_long_is_read_in_shorter_spans() {
    let (wallet, other) = (wallet(), Maker::address(0xbb));
    let mut maker = Maker::new(1_000, 1_700_000_000);
    for _ in 0..100 {
        maker.send(&other, &wallet, 1);
    }
    let chain = EvmChain::new(1, maker.records()).unwrap();
    let node = serve("ethereum", chain.clone().with_max_found(12)).await;
    let pool = pool(&[explorer_of("scan", &node), node_of("a", &node)]);
    let rows = whole(&pool, ActivityList::Transactions, chain.finalized()).await;
    assert_eq!(rows.len(), 100);
    // Other lists are asked for as a whole, as ever.
    node.reset();
    whole(&pool, ActivityList::Erc20, chain.finalized()).await;
    assert_eq!(node.stats().requests["/etherscan/ethereum/api"], 1);
    // One block of too many rows cannot be asked for in parts.
    let node = serve("ethereum", chain.clone().with_max_found(0)).await;
    let pool = crate::evm::pool(&[explorer_of("scan", &node), node_of("a", &node)]);
    let list = ActivityList::Transactions;
    let error = pool.activity(&address(&wallet), list, 1_001, 1_001).await.unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "{error:?}");
    // One whose plan forbids the lists hides nothing of what the other one means.
    let free = serve("ethereum", chain.clone().refusing("Please upgrade to API PRO")).await;
    let node = serve("ethereum", chain.clone().with_max_found(12)).await;
    let providers = [explorer_of("free", &free), explorer_of("scan", &node), node_of("a", &node)];
    let rows = whole(&crate::evm::pool(&providers), list, chain.finalized()).await;
    assert_eq!(rows.len(), 100);
}
