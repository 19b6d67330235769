//! How far explorers have indexed a chain: asked once for many, soon answered, never taken on trust.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chain_client::evm::{ActivityList, EvmSource};
use chain_client::{ChainSource, EvmPool, ProviderState};
use futures::future::join_all;
use load_tests::evm::Maker;
use load_tests::{EvmChain, FaultKind, Faults, RecordedNode};
use pnl_core::Address;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::evm::{
    chain, chain_since, explorer_of, json as json_of, node_of, pool, serve, wallet, wanted,
};

const QUESTIONS: [&str; 2] = ["getblocknobytime", "eth_block_number"];
const TRACES: [&str; 3] =
    ["debug_traceTransaction", "trace_transaction", "ots_getInternalOperations"];
const NOT_IN_PLAN: &str = "Sorry, it looks like you are trying to access an API Pro endpoint";

/// What wallets that come together are told about the newest final block.
async fn told(pool: &EvmPool, wallets: usize) -> Vec<Option<u64>> {
    let pin = pool.finalized().await.unwrap();
    join_all((0..wallets).map(|_| pool.indexed(pin.number, pin.time))).await
}

fn with_explorer(node: &RecordedNode) -> EvmPool {
    pool(&[explorer_of("scan", node), node_of("a", node)])
}

/// The rows of a list.
async fn lists(pool: &EvmPool) -> usize {
    let wallet = Address::from_chain_data(&wallet());
    let list = ActivityList::Transactions;
    pool.activity(&wallet, list, 0, chain().finalized()).await.unwrap().rows.len()
}

#[tokio::test]
async fn wallets_that_come_together_ask_once_how_far_an_explorer_is_also_when_it_is_behind() {
    let pin = chain().finalized();
    // One that is behind is asked once more which chain it is of.
    for (index_to, expected, asked) in [(pin, pin, 1), (pin - 1, pin - 1, 2)] {
        let node = serve("ethereum", chain().with_index_to(index_to)).await;
        let pool = with_explorer(&node);
        for _ in 0..2 {
            assert_eq!(told(&pool, 20).await, [Some(expected); 20]);
        }
        assert_eq!(node.stats().calls_of(QUESTIONS[0]), asked, "index to {index_to}");
        // What is proven needs no question.
        assert_eq!(pool.indexed(1_002, 0).await, Some(1_002));
        assert_eq!(node.stats().requests["/etherscan/ethereum/api"], asked);
    }
}

#[tokio::test]
async fn trouble_with_the_question_is_no_answer_and_no_error_and_the_lists_are_read() {
    let node = serve("ethereum", chain()).await;
    for kind in [FaultKind::Http503, FaultKind::Garbage, FaultKind::Http401] {
        let pool = with_explorer(&node);
        let only = Some("module=block".to_owned());
        node.set_faults(Faults { only, ..Faults::always(kind) });
        assert_eq!(told(&pool, 3).await, [None; 3], "{kind:?}");
        assert_eq!(lists(&pool).await, 4);
        let asked = node.stats().requests["/etherscan/ethereum/api"];
        told(&pool, 3).await;
        assert_eq!(node.stats().requests["/etherscan/ethereum/api"], asked, "asked again at once");
    }
}

/// The clock of the test stands still while anything runs, so nothing is waited for.
#[tokio::test(start_paused = true)]
async fn an_explorer_that_never_answers_the_question_costs_wallets_seconds() {
    let node = serve("ethereum", chain()).await;
    let pool = with_explorer(&node);
    node.set_faults(Faults::always(FaultKind::Hang));
    let began = Instant::now();
    let told = join_all((0..20).map(|_| pool.indexed(1_040, 1_700_000_480))).await;
    assert_eq!(told, [None; 20]);
    assert!(began.elapsed() <= Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_head_of_the_node_behind_an_explorer_proves_nothing() {
    let pin = chain().finalized();
    let behind = chain().with_index_to(1_003);
    for (lacking, expected) in [(&QUESTIONS[..1], Some(1_003)), (&QUESTIONS[..], None)] {
        let node = serve("ethereum", behind.clone().without(lacking)).await;
        assert_eq!(told(&with_explorer(&node), 1).await, [expected], "without {lacking:?}");
    }
    let node = serve("ethereum", chain().without(&QUESTIONS[..1])).await;
    assert_eq!(told(&with_explorer(&node), 1).await, [Some(pin)], "its own newest block");
}

#[tokio::test]
async fn of_several_explorers_the_last_one_counts_that_lists() {
    let pin = chain().finalized();
    let whole = serve("ethereum", chain()).await;
    let beside = async |other: EvmChain| {
        let other = serve("ethereum", other).await;
        let providers =
            [explorer_of("first", &other), explorer_of("scan", &whole), node_of("a", &whole)];
        told(&pool(&providers), 1).await.remove(0)
    };
    assert_eq!(beside(chain().with_index_to(1_003)).await, Some(1_003));
    // A plan without these questions may have the lists, and they may be behind.
    assert_eq!(beside(chain().refusing_only(NOT_IN_PLAN, &QUESTIONS)).await, None);
    assert_eq!(beside(chain().refusing_only(NOT_IN_PLAN, &QUESTIONS[..1])).await, Some(pin));
    assert_eq!(beside(chain().refusing(NOT_IN_PLAN)).await, Some(pin), "it lists nothing");
}

#[tokio::test]
async fn a_block_that_is_seconds_old_is_waited_for() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let blocks = i64::try_from(chain().finalized() - 1_000).unwrap();
    let young = chain_since(i64::try_from(now).unwrap() - 12 * blocks);
    let too_new = "Error! Block timestamp too far in the future";
    for early in
        [young.clone().with_index_to(1_003), young.clone().refusing_only(too_new, &QUESTIONS)]
    {
        let node = serve("ethereum", early).await;
        let pool = with_explorer(&node);
        let asked = async {
            while node.stats().calls_of(QUESTIONS[0]) == 0 {
                tokio::task::yield_now().await;
            }
            node.set_evm("ethereum", young.clone());
        };
        let (told, ()) = tokio::join!(told(&pool, 5), asked);
        assert_eq!(told, [Some(chain().finalized()); 5]);
        assert!(node.stats().calls_of(QUESTIONS[0]) <= 3, "asked by one for all");
    }
}

#[tokio::test]
async fn nobody_waits_for_an_explorer_that_does_not_know_the_question() {
    let node = serve("ethereum", chain().without(&QUESTIONS)).await;
    let pool = with_explorer(&node);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let now = i64::try_from(now).unwrap();
    // Who waits asks again.
    assert_eq!(pool.indexed(1_040, now).await, None);
    assert_eq!(node.stats().requests["/etherscan/ethereum/api"], 2);
    // A plan without them is the same; one question more tells whether there are lists.
    let node = serve("ethereum", chain().refusing_only(NOT_IN_PLAN, &QUESTIONS)).await;
    let pool = with_explorer(&node);
    assert_eq!(pool.indexed(1_040, now).await, None);
    assert_eq!(node.stats().requests["/etherscan/ethereum/api"], 3);
}

#[tokio::test]
async fn no_transfers_inside_a_transaction_are_none_only_where_the_index_is_proven() {
    for (lacking, expected) in [(&[][..], json!([])), (&QUESTIONS[..], Value::Null)] {
        let chain = chain().without(&TRACES).without(lacking);
        let node = serve("ethereum", chain.clone()).await;
        let read = with_explorer(&node).transactions(&wanted(&chain, true)).await.unwrap();
        // A call in which no contract sent anything, and one that has a transfer to show.
        assert_eq!(json_of(&read[3])["internal_transfers"], expected, "without {lacking:?}");
        assert_eq!(json_of(&read[2])["internal_transfers"].as_array().map(Vec::len), Some(1));
    }
}

/// A chain that has come to block `first` + 200 when this one has come to block 1,000.
fn of_another_chain(first: u64) -> EvmChain {
    let (from, to) = (Maker::address(0xbb), Maker::address(0xcc));
    let mut maker = Maker::new(first, 1_700_000_000 - 12 * 200);
    for _ in 0..205 {
        maker.send(&from, &to, 1);
    }
    EvmChain::new(8453, maker.records()).unwrap()
}

#[tokio::test]
async fn an_explorer_of_another_chain_is_down_and_lists_nothing() {
    let node = serve("ethereum", chain()).await;
    let list = ActivityList::Transactions;
    // Farther than this chain, and not so far.
    for first in [38_000_000, 500] {
        let other = serve("ethereum", of_another_chain(first)).await;
        let alone = pool(&[explorer_of("scan", &other), node_of("a", &node)]);
        assert_eq!(told(&alone, 5).await, [None; 5]);
        let asked = other.stats().requests["/etherscan/ethereum/api"];
        assert!(asked <= 2, "{asked} calls");
        let wallet = Address::from_chain_data(&wallet());
        let error = alone.activity(&wallet, list, 0, 1_040).await.unwrap_err();
        assert_eq!(error.code(), "provider-wrong-chain", "{error}");
        assert!(alone.probe().await.is_err() && told(&alone, 1).await == [None]);
        assert_eq!(other.stats().requests["/etherscan/ethereum/api"], asked, "it is left alone");
        let status = &alone.status()[0];
        assert_eq!(status.state, ProviderState::Down);
        assert!(
            status.detail.as_deref().unwrap().contains("another chain than 1 (ethereum)"),
            "{status:?}"
        );
        // Beside another one it does no harm.
        let providers = [explorer_of("b", &other), explorer_of("a", &node), node_of("a", &node)];
        let both = pool(&providers);
        assert_eq!(told(&both, 1).await, [Some(chain().finalized())]);
        assert_eq!(lists(&both).await, 4);
    }
}

#[tokio::test]
async fn a_newest_block_that_the_chain_cannot_have_yet_is_that_of_another_chain() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let young = chain_since(i64::try_from(now).unwrap() - 12 * 60);
    let node = serve("ethereum", young).await;
    let other = serve("ethereum", of_another_chain(38_000_000).without(&QUESTIONS[..1])).await;
    let pool = pool(&[explorer_of("scan", &other), node_of("a", &node)]);
    assert_eq!(told(&pool, 1).await, [None]);
    assert!(lists_error(&pool).await.contains("provider-wrong-chain"));
}

async fn lists_error(pool: &EvmPool) -> String {
    let wallet = Address::from_chain_data(&wallet());
    let list = ActivityList::Transactions;
    pool.activity(&wallet, list, 0, chain().finalized()).await.unwrap_err().to_string()
}
