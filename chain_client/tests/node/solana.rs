//! What a healthy node says is read completely and unchanged.

use std::collections::BTreeMap;
use std::time::Duration;

use chain_client::{
    CallCounter, ChainSource, PageStart, SignatureInfo, SourceError, TransactionSource,
};
use load_tests::{RecordedChain, SyntheticPlan};
use pnl_core::{Address, RawAmount, TxId};

use crate::support::{demo_folder, demo_node, hasty, node, pool, transaction_id, wallet};

/// Final balances of the demo's first wallet, as the generator of the chain computed them on its own.
const LAMPORTS: u64 = 50_354_958_596;
const TOKENS: [(&str, u64); 3] = [
    ("349tgg5ZZtrSKE8v9k83S6sUeGUJ6cayAE5nRtonQvZn", 13_240_013_489_550_908),
    ("5QiGTv4DPDjuBW44vqqXMQLKdwbQsRM2GZ3eHnLNnUr4", 40_726_901_031),
    ("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 3_056_444_457),
];

#[tokio::test]
async fn the_pin_is_the_newest_finalized_slot_with_its_time() {
    let node = demo_node().await;
    let pin = pool(&[&node], hasty()).pin().await.unwrap();
    // The newest transaction is in slot 239,939,168; the head is 32 slots and 12 s later.
    assert_eq!((pin.block, pin.block_time), (239_939_200, 1_704_270_868));
}

#[tokio::test]
async fn a_pin_whose_slot_has_no_time_is_an_older_one_or_none() {
    let node = node(RecordedChain::default()).await;
    let error = pool(&[&node], hasty()).pin().await.unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "{error}");
    // Slot 32 as often as any call is tried, then every older one down to 0.
    assert_eq!(node.stats().calls_of("getBlockTime"), 35);
}

#[tokio::test]
async fn a_snapshot_has_the_lamports_and_every_token_account_of_both_programs() {
    let node = demo_node().await;
    let snapshot = pool(&[&node], hasty()).snapshot(&wallet()).await.unwrap();
    assert_eq!((snapshot.slot, snapshot.newest_slot), (239_939_200, 239_939_200));
    assert_eq!(snapshot.native_own_lamports, LAMPORTS);
    let mut by_mint: BTreeMap<&str, RawAmount> = BTreeMap::new();
    for account in &snapshot.token_accounts {
        let sum = by_mint.entry(account.mint.as_str()).or_default();
        *sum = sum.checked_add(account.raw).unwrap();
        assert!(account.lamports > 0 && account.decimals.is_some());
    }
    by_mint.retain(|_, raw| !raw.is_zero());
    let expected: BTreeMap<&str, RawAmount> =
        TOKENS.iter().map(|&(mint, raw)| (mint, RawAmount::from(raw))).collect();
    assert_eq!(by_mint, expected);
    let mut programs: Vec<&str> =
        snapshot.token_accounts.iter().map(|account| account.program.as_str()).collect();
    programs.sort_unstable();
    programs.dedup();
    assert_eq!(programs.len(), 2);
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<chain_client::Snapshot>(&text).unwrap(), snapshot);
    let older = text.replace(r#""newest_slot":239939200,"#, "");
    assert_eq!(serde_json::from_str::<chain_client::Snapshot>(&older).unwrap().newest_slot, 0);
}

#[tokio::test]
async fn an_address_nobody_used_has_an_empty_page_and_no_balance() {
    let node = demo_node().await;
    let pool = pool(&[&node], hasty());
    let unused = Address::from_chain_data("11111111111111111111111111111112");
    assert_eq!(pool.signatures(&unused, None, None).await.unwrap(), []);
    let snapshot = pool.snapshot(&unused).await.unwrap();
    assert_eq!((snapshot.native_own_lamports, snapshot.token_accounts), (0, vec![]));
}

#[tokio::test]
async fn a_long_list_is_walked_page_by_page_in_both_directions() {
    let plan = SyntheticPlan { transactions_each: 2_345, ..SyntheticPlan::default() };
    let chain = RecordedChain::synthetic(plan);
    let address = Address::from_chain_data(&chain.synthetic_wallets()[0]);
    let node = node(chain).await;
    let pool = pool(&[&node], hasty());
    let mut rows: Vec<SignatureInfo> = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let from = match &rows[..] {
            [.., above, first] => {
                Some(PageStart { above: above.tx_id.clone(), first: first.tx_id.clone() })
            }
            _ => None,
        };
        let mut page = pool.signatures(&address, from.as_ref(), None).await.unwrap();
        sizes.push(page.len());
        if from.is_some() {
            assert_eq!(page.remove(0), rows[rows.len() - 1]);
        }
        if page.is_empty() {
            break;
        }
        rows.extend(page);
    }
    assert_eq!(sizes, [1000, 1000, 347, 1]);
    assert!(rows.is_sorted_by(|a, b| a.slot > b.slot));
    assert!(rows.iter().all(|row| row.block_time.is_some() && !row.failed));
    let newer = pool.signatures(&address, None, Some(&rows[10].tx_id)).await.unwrap();
    assert_eq!(newer, rows[..10]);
    let from = PageStart { above: rows[3].tx_id.clone(), first: rows[4].tx_id.clone() };
    let between = pool.signatures(&address, Some(&from), Some(&rows[7].tx_id)).await.unwrap();
    assert_eq!(between, rows[4..7]);
    let raw = pool.transaction(&rows[2_000].tx_id).await.unwrap();
    assert_eq!((raw.block, raw.block_time), (rows[2_000].slot, rows[2_000].block_time));
}

#[tokio::test]
async fn every_transaction_is_kept_byte_by_byte_versioned_ones_included() {
    let node = demo_node().await;
    let pool = pool(&[&node], hasty());
    let mut count = 0;
    for entry in std::fs::read_dir(demo_folder().join("transactions")).unwrap() {
        let path = entry.unwrap().path();
        let id = TxId::new(path.file_stem().unwrap().to_str().unwrap());
        let raw = pool.transaction(&id).await.unwrap();
        assert_eq!(raw.json.trim_ascii(), std::fs::read(&path).unwrap().trim_ascii());
        assert_eq!(raw.tx_id, id);
        assert!(raw.block > 239_000_000 && raw.block_time.is_some());
        count += 1;
    }
    assert_eq!(count, 120);
    assert_eq!(node.stats().calls_of("getTransaction"), 120);
}

#[tokio::test]
async fn a_transaction_no_node_has_is_not_found_after_all_tries_at_all_nodes() {
    let (one, other) = (demo_node().await, demo_node().await);
    let pool = pool(&[&one, &other], hasty());
    let unknown = TxId::new(&transaction_id().as_str().replace('9', "8"));
    let error = pool.transaction(&unknown).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::NotFound { detail } if detail.contains(unknown.as_str()))
    );
    assert_eq!(
        (one.stats().calls_of("getTransaction"), other.stats().calls_of("getTransaction")),
        (2, 1)
    );
}

#[tokio::test]
async fn calls_are_counted_by_method_for_whoever_works() {
    let node = demo_node().await;
    let pool = pool(&[&node], hasty());
    let counter = CallCounter::new();
    let work = async {
        pool.snapshot(&wallet()).await.unwrap();
        pool.signatures(&wallet(), None, None).await.unwrap();
    };
    counter.scope(work).await;
    pool.probe().await.unwrap();
    let expected = BTreeMap::from([
        ("getBalance", 1),
        ("getSignaturesForAddress", 1),
        ("getTokenAccountsByOwner", 2),
    ]);
    assert_eq!(counter.by_method(), expected);
    assert_eq!(pool.status()[0].calls, 5);
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_the_pool_in_order() {
    let node = demo_node().await;
    node.set_faults(load_tests::Faults::first(1, load_tests::FaultKind::Hang));
    let pool = pool(&[&node], hasty());
    let given_up = tokio::time::timeout(Duration::from_millis(100), pool.probe()).await;
    assert!(given_up.is_err());
    pool.probe().await.unwrap();
}
