//! Every way a node fails: retried when it may pass, named when it will not, and never taken for
//! an answer.

use std::time::{Duration, Instant};

use chain_client::{
    CallCounter, CallPolicy, ChainSource, ProviderState, SourceError, TransactionSource,
};
use load_tests::{FaultKind, Faults};
use pnl_core::TxId;

use crate::support::{
    demo_folder, demo_node, hasty, pool, provider, requests, transaction_id, wallet,
};

const PASSING: [FaultKind; 7] = [
    FaultKind::Http500,
    FaultKind::Http503,
    FaultKind::RpcError,
    FaultKind::Reset,
    FaultKind::Truncated,
    FaultKind::Garbage,
    FaultKind::EmptyBody,
];

/// One letter per class of error.
fn class(error: &SourceError) -> &'static str {
    match error {
        SourceError::RateLimited { .. } => "rate limited",
        SourceError::Outage { .. } => "outage",
        SourceError::Transient { .. } => "transient",
        SourceError::NotFound { .. } => "not found",
        SourceError::Permanent { code, .. } => code,
    }
}

#[tokio::test]
async fn a_fault_that_passes_costs_tries_and_nothing_else() {
    let node = demo_node().await;
    let pool = pool(&[&node], hasty());
    for kind in PASSING.into_iter().chain([FaultKind::NullResult]) {
        node.reset();
        node.set_faults(Faults::first(2, kind));
        let counter = CallCounter::new();
        let raw = counter.scope(pool.transaction(&transaction_id())).await.unwrap();
        assert_eq!(raw.block, 239_445_253);
        assert_eq!(requests(&node), 3, "{kind:?}");
        assert_eq!(counter.by_method()["getTransaction"], 3, "{kind:?}");
    }
}

#[tokio::test]
async fn a_fault_that_stays_fails_the_call_after_its_tries_and_says_which_kind_it_is() {
    let node = demo_node().await;
    for (kind, expected) in [
        (FaultKind::Http500, "outage"),
        (FaultKind::Http503, "outage"),
        // Closed without a word every single time: nobody is there.
        (FaultKind::Reset, "outage"),
        (FaultKind::RpcError, "transient"),
        (FaultKind::Truncated, "transient"),
        (FaultKind::Garbage, "transient"),
        (FaultKind::EmptyBody, "transient"),
        (FaultKind::NullResult, "not found"),
    ] {
        node.reset();
        node.set_faults(Faults::always(kind));
        let error = pool(&[&node], hasty()).transaction(&transaction_id()).await.unwrap_err();
        assert_eq!(class(&error), expected, "{kind:?}: {error}");
        assert_eq!(requests(&node), 3, "{kind:?}");
        assert!(error.to_string().contains("first: "), "{error}");
    }
}

#[tokio::test]
async fn no_fault_looks_like_an_address_without_activity() {
    let node = demo_node().await;
    let pool = pool(&[&node], hasty());
    for kind in PASSING.into_iter().chain([FaultKind::NullResult]) {
        node.set_faults(Faults::always(kind));
        assert!(pool.signatures(&wallet(), None, None).await.is_err(), "{kind:?}");
        assert!(pool.snapshot(&wallet()).await.is_err(), "{kind:?}");
        assert!(pool.pin().await.is_err(), "{kind:?}");
    }
}

#[tokio::test]
async fn refusals_are_permanent_at_the_first_try() {
    let node = demo_node().await;
    let rpc = |rpc_code| Faults { rpc_code, ..Faults::always(FaultKind::RpcError) };
    for (faults, code) in [
        (Faults::always(FaultKind::Http401), "provider-unauthorized"),
        (Faults::always(FaultKind::Http403), "provider-unauthorized"),
        (Faults::always(FaultKind::Http404), "provider-not-found"),
        (Faults::always(FaultKind::Http400), "provider-bad-request"),
        (rpc(-32015), "unsupported-transaction-version"),
        (rpc(-32602), "invalid-params"),
        (rpc(-32601), "method-not-found"),
        (rpc(-32011), "history-unavailable"),
    ] {
        node.reset();
        node.set_faults(faults);
        let error = pool(&[&node], hasty()).transaction(&transaction_id()).await.unwrap_err();
        assert_eq!((class(&error), error.code()), (code, code));
        assert_eq!(requests(&node), 1, "{code}");
    }
}

#[tokio::test]
async fn a_node_that_is_behind_is_asked_again() {
    let node = demo_node().await;
    for rpc_code in [-32603, -32005, -32004, -32014, -32016, -32019] {
        node.set_faults(Faults { rpc_code, ..Faults::first(2, FaultKind::RpcError) });
        pool(&[&node], hasty()).pin().await.unwrap();
    }
}

#[tokio::test]
async fn a_list_of_a_node_behind_what_was_seen_elsewhere_is_refused() {
    let node = demo_node().await;
    let head = 239_939_200;
    let pool = pool(&[&node], hasty());
    pool.note_seen(head);
    let listed = pool.signatures(&wallet(), None, None).await.unwrap();
    assert!(!listed.is_empty());
    // Another process has seen a later slot and stored balances of it.
    pool.note_seen(head + 1);
    let error = pool.signatures(&wallet(), None, None).await.unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "{error}");
}

#[tokio::test]
async fn a_skipped_slot_sends_the_pin_to_the_one_before() {
    let node = demo_node().await;
    for rpc_code in [-32007, -32009] {
        // The head and the slot before it are skipped, the others have no time; only the newest transaction's slot, 32
        // below the head, has a recorded time.
        node.set_faults(Faults {
            rpc_code,
            only: Some("getBlockTime".to_owned()),
            ..Faults::first(2, FaultKind::RpcError)
        });
        let pin = pool(&[&node], hasty()).pin().await.unwrap();
        assert_eq!((pin.block, pin.block_time), (239_939_168, 1_704_270_856));
    }
}

#[tokio::test]
async fn the_newest_slot_without_a_time_is_asked_for_again_here_and_elsewhere() {
    let nulls = |faults: Faults| Faults { only: Some("getBlockTime".to_owned()), ..faults };
    let (one, other) = (demo_node().await, demo_node().await);
    one.set_faults(nulls(Faults::first(2, FaultKind::NullResult)));
    assert_eq!(pool(&[&one], hasty()).pin().await.unwrap().block, 239_939_200);
    one.set_faults(nulls(Faults::always(FaultKind::NullResult)));
    assert_eq!(pool(&[&one, &other], hasty()).pin().await.unwrap().block, 239_939_200);
}

#[tokio::test]
async fn a_hanging_node_costs_the_timeout_and_the_call_goes_on() {
    let node = demo_node().await;
    node.set_faults(Faults::first(1, FaultKind::Hang));
    let policy = CallPolicy { call_timeout: Duration::from_millis(300), ..hasty() };
    let start = Instant::now();
    pool(&[&node], policy.clone()).transaction(&transaction_id()).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(300));

    node.set_faults(Faults::always(FaultKind::Hang));
    let error = pool(&[&node], policy).transaction(&transaction_id()).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Transient { detail } if detail.contains("no answer within"))
    );
}

#[tokio::test]
async fn nobody_listening_is_an_outage_until_the_node_is_back() {
    let node = demo_node().await;
    let address = node.address();
    let policy = CallPolicy { trial_every: Duration::ZERO, ..hasty() };
    let pool = pool(&[&node], policy);
    node.stop().await;
    let error = pool.pin().await.unwrap_err();
    assert!(matches!(&error, SourceError::Outage { detail } if detail.contains("cannot connect")));
    assert_eq!(class(&pool.probe().await.unwrap_err()), "outage");
    assert_eq!(pool.status()[0].state, ProviderState::Down);
    assert!(pool.status()[0].detail.is_some() && pool.status()[0].errors > 0);

    let chain = load_tests::RecordedChain::from_folder(demo_folder()).unwrap();
    let _node = load_tests::RecordedNode::start(chain, address).await.unwrap();
    pool.probe().await.unwrap();
    assert_eq!(pool.status()[0].state, ProviderState::Ok);
    pool.pin().await.unwrap();
}

#[tokio::test]
async fn a_node_that_closes_every_connection_is_an_outage_too() {
    let node = demo_node().await;
    node.set_faults(Faults { down: true, ..Faults::default() });
    let pool = pool(&[&node], hasty());
    assert_eq!(class(&pool.pin().await.unwrap_err()), "outage");
    assert_eq!(class(&pool.probe().await.unwrap_err()), "outage");
    node.set_faults(Faults::default());
    pool.probe().await.unwrap();
}

#[tokio::test]
async fn a_bad_day_loses_nothing() {
    let node = demo_node().await;
    node.set_faults(Faults { error_rate: 0.4, seed: 20_260, ..Faults::default() });
    let policy = CallPolicy { call_tries: 30, ..hasty() };
    let pool = pool(&[&node], policy);
    let ids: Vec<TxId> = std::fs::read_dir(demo_folder().join("transactions"))
        .unwrap()
        .map(|entry| TxId::new(entry.unwrap().path().file_stem().unwrap().to_str().unwrap()))
        .collect();
    for id in &ids {
        let raw = pool.transaction(id).await.unwrap();
        assert_eq!(&raw.tx_id, id);
    }
    let page = pool.signatures(&wallet(), None, None).await.unwrap();
    assert!(!page.is_empty());
    assert!(node.stats().faults_given() > 40);
}

#[tokio::test]
async fn keys_in_urls_appear_in_no_error_and_no_status() {
    let node = demo_node().await;
    let url = format!("{}?api-key=0123456789abcdef", node.solana_url());
    let providers = [provider("keyed", &url, 1000.0)];
    let metrics = crate::support::metrics();
    let pool =
        chain_client::ProviderPool::new(pnl_core::Chain::Solana, &providers, hasty(), &metrics);
    let pool = pool.unwrap();
    pool.pin().await.unwrap();
    let mut said = vec![format!("{pool:?}")];
    for kind in [FaultKind::Http403, FaultKind::Truncated, FaultKind::Reset, FaultKind::Http500] {
        node.set_faults(Faults::always(kind));
        said.push(pool.pin().await.unwrap_err().to_string());
    }
    node.stop().await;
    said.push(pool.pin().await.unwrap_err().to_string());
    said.push(format!("{:?}", pool.status()));
    for text in said {
        assert!(!text.contains("0123456789abcdef"), "{text}");
    }
}
