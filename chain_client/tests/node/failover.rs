//! Several providers: the first that is well is asked, the others step in.

use std::time::Duration;

use chain_client::{
    CallPolicy, ChainSource, PageStart, ProviderConfig, ProviderKind, ProviderPool, ProviderState,
    SetupError, SignatureInfo, SourceError, TransactionSource,
};
use load_tests::{FaultKind, Faults, RecordedChain, RecordedNode, SyntheticPlan};
use pnl_core::{Address, Chain};

use crate::support::{
    demo_node, hasty, metrics, node, pool, provider, requests, transaction_id, wallet,
};

#[tokio::test]
async fn a_healthy_first_provider_gets_every_call() {
    let (one, other) = (demo_node().await, demo_node().await);
    let pool = pool(&[&one, &other], hasty());
    for _ in 0..5 {
        pool.signatures(&wallet(), None, None).await.unwrap();
    }
    assert_eq!((requests(&one), requests(&other)), (5, 0));
}

#[tokio::test]
async fn whatever_the_first_provider_does_the_second_answers() {
    let (one, other) = (demo_node().await, demo_node().await);
    for faults in [
        Faults { down: true, ..Faults::default() },
        Faults::always(FaultKind::Http503),
        Faults::always(FaultKind::Http401),
        Faults::always(FaultKind::Http404),
        Faults::always(FaultKind::Garbage),
        Faults::always(FaultKind::NullResult),
        Faults::always(FaultKind::Http429),
        Faults { retry_after: "300".to_owned(), ..Faults::always(FaultKind::Http429) },
        Faults::always(FaultKind::Hang),
    ] {
        one.reset();
        one.set_faults(faults.clone());
        let policy = CallPolicy { call_tries: 1, call_timeout: Duration::from_secs(1), ..hasty() };
        let pool = pool(&[&one, &other], policy);
        let raw = pool.transaction(&transaction_id()).await;
        assert!(raw.is_ok(), "{faults:?}: {raw:?}");
        assert_eq!(requests(&one), 1, "{faults:?}");
    }
}

/// Both are equally new; the second has never heard of the wallet.
#[tokio::test]
async fn a_node_that_does_not_know_the_list_cannot_end_it() {
    let made = |seed| {
        let plan = SyntheticPlan { transactions_each: 1_500, seed, ..SyntheticPlan::default() };
        RecordedChain::synthetic(plan)
    };
    let (one, other) = (node(made(1)).await, node(made(2)).await);
    let wallet = Address::from_chain_data(&one.chain().synthetic_wallets()[0]);
    let pool = pool(&[&one, &other], hasty());
    let page = pool.signatures(&wallet, None, None).await.unwrap();
    assert_eq!(page.len(), 1_000);
    let [.., above, first] = &page[..] else { panic!("a full page") };
    let from = PageStart { above: above.tx_id.clone(), first: first.tx_id.clone() };

    one.set_faults(Faults { down: true, ..Faults::default() });
    let error = pool.signatures(&wallet, Some(&from), None).await.unwrap_err();
    assert!(requests(&other) > 0, "it was asked");
    assert!(matches!(error, SourceError::Transient { .. }), "the first one may know: {error}");
    assert!(error.to_string().contains(&format!("begin with {} is empty", first.tx_id)), "{error}");

    one.set_faults(Faults::default());
    let rest = pool.signatures(&wallet, Some(&from), None).await.unwrap();
    assert_eq!((rest.len(), &rest[0].tx_id), (501, &first.tx_id));
}

#[tokio::test]
async fn a_place_that_no_node_knows_is_not_found_after_all_were_asked() {
    let plan = || SyntheticPlan { transactions_each: 1_500, ..SyntheticPlan::default() };
    let one = node(RecordedChain::synthetic(plan())).await;
    let other = node(RecordedChain::synthetic(plan())).await;
    let wallet = Address::from_chain_data(&one.chain().synthetic_wallets()[0]);
    let pool = pool(&[&one, &other], hasty());
    let page = pool.signatures(&wallet, None, None).await.unwrap();
    let [.., above, first] = &page[..] else { panic!("a full page") };
    let from = PageStart { above: above.tx_id.clone(), first: first.tx_id.clone() };
    let forget = |node: &RecordedNode, row: &SignatureInfo| {
        let forgets = Some(row.tx_id.to_string());
        node.set_faults(Faults { forgets, ..Faults::default() });
    };

    // The one behind which the page begins, or the one with which it does.
    for (row, told) in [(above, "is empty"), (first, "begins with another")] {
        forget(&one, row);
        other.set_faults(Faults::default());
        let rest = pool.signatures(&wallet, Some(&from), None).await.unwrap();
        assert_eq!(rest.len(), 501, "the second node knows it");
        forget(&other, row);
        let error = pool.signatures(&wallet, Some(&from), None).await.unwrap_err();
        let SourceError::NotFound { detail } = &error else { panic!("{error}") };
        assert!(detail.contains("first: ") && detail.contains("second: "), "{detail}");
        assert!(detail.contains(told), "{detail}");
    }
    // Neither of them is unwell for that.
    assert!(pool.status().iter().all(|status| status.state == ProviderState::Ok));
}

#[tokio::test]
async fn a_provider_that_is_down_is_passed_over_until_its_next_trial() {
    let (one, other) = (demo_node().await, demo_node().await);
    one.set_faults(Faults::always(FaultKind::Http500));
    let policy = CallPolicy { trial_every: Duration::from_millis(200), ..hasty() };
    let pool = pool(&[&one, &other], policy);
    for _ in 0..20 {
        pool.signatures(&wallet(), None, None).await.unwrap();
    }
    let states = pool.status().iter().map(|status| status.state).collect::<Vec<_>>();
    assert_eq!(states, [ProviderState::Down, ProviderState::Ok]);
    assert!(requests(&one) < 10, "{}", requests(&one));
    one.set_faults(Faults::default());
    one.reset();
    tokio::time::sleep(Duration::from_millis(250)).await;
    other.reset();
    for _ in 0..3 {
        pool.signatures(&wallet(), None, None).await.unwrap();
    }
    assert_eq!((requests(&one), requests(&other)), (3, 0));
    assert_eq!(pool.status()[0].state, ProviderState::Ok);
}

#[tokio::test]
async fn a_transaction_the_first_node_lacks_comes_from_the_second() {
    let (empty, full) = (node(RecordedChain::default()).await, demo_node().await);
    let pool = pool(&[&empty, &full], hasty());
    assert!(pool.transaction(&transaction_id()).await.is_ok());
    assert_eq!(pool.status()[0].errors, 0);
}

#[tokio::test]
async fn lacking_it_here_and_no_answer_there_is_not_the_same_as_not_found() {
    let (empty, broken) = (node(RecordedChain::default()).await, demo_node().await);
    broken.set_faults(Faults { down: true, ..Faults::default() });
    let pool = pool(&[&empty, &broken], hasty());
    for _ in 0..3 {
        let error = pool.transaction(&transaction_id()).await.unwrap_err();
        assert!(matches!(error, SourceError::Transient { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_call_that_fails_while_others_are_answered_is_no_outage() {
    let node = demo_node().await;
    let only = Some("getTokenAccountsByOwner".to_owned());
    node.set_faults(Faults { only, ..Faults::always(FaultKind::Http503) });
    let pause = Duration::from_millis(300);
    let policy = CallPolicy { backoff_start: pause, backoff_cap: pause, ..hasty() };
    let pool = pool(&[&node], policy);
    let address = wallet();
    let heavy = async || pool.snapshot(&address).await.unwrap_err();
    let error = heavy().await;
    assert!(
        matches!(error, SourceError::Outage { .. }),
        "nobody else was answered lately: {error}"
    );
    let others = async {
        loop {
            pool.pin().await.unwrap();
        }
    };
    tokio::select! {
        error = heavy() => assert!(matches!(error, SourceError::Transient { .. }), "{error}"),
        () = others => {}
    }
}

#[tokio::test]
async fn it_is_an_outage_only_when_every_provider_fails_at_its_endpoint() {
    let (one, other) = (demo_node().await, demo_node().await);
    let down = Faults { down: true, ..Faults::default() };
    one.set_faults(Faults::always(FaultKind::Http500));
    other.set_faults(down.clone());
    let policy = CallPolicy { call_tries: 6, ..hasty() };
    let both = pool(&[&one, &other], policy.clone());
    let error = both.pin().await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Outage { detail }
            if detail.contains("first: ") && detail.contains("second: ")),
        "{error}"
    );
    // One that answers, be it nonsense, is there.
    other.set_faults(Faults::always(FaultKind::Garbage));
    let error = pool(&[&one, &other], policy.clone()).pin().await.unwrap_err();
    assert!(matches!(error, SourceError::Transient { .. }), "{error}");
    // One that refuses for good is of no use, so the other decides.
    other.set_faults(Faults::always(FaultKind::Http403));
    let error = pool(&[&one, &other], policy.clone()).pin().await.unwrap_err();
    assert!(matches!(error, SourceError::Outage { .. }), "{error}");
    // One that asks to wait will answer later.
    other.set_faults(Faults { retry_after: "60".to_owned(), ..Faults::always(FaultKind::Http429) });
    let error = pool(&[&one, &other], policy).pin().await.unwrap_err();
    assert!(matches!(error, SourceError::RateLimited { .. }), "{error}");
}

#[tokio::test]
async fn a_probe_asks_each_provider_once() {
    let (one, other) = (demo_node().await, demo_node().await);
    one.set_faults(Faults::always(FaultKind::Http500));
    other.set_faults(Faults::always(FaultKind::Http500));
    let pool = pool(&[&one, &other], hasty());
    assert!(matches!(pool.probe().await, Err(SourceError::Outage { .. })));
    assert_eq!((requests(&one), requests(&other)), (1, 1));
    other.set_faults(Faults::default());
    pool.probe().await.unwrap();
}

#[test]
fn a_pool_that_cannot_work_is_refused_when_it_is_made() {
    let make = |chain, providers: &[ProviderConfig]| {
        ProviderPool::new(chain, providers, hasty(), &metrics()).unwrap_err()
    };
    assert!(matches!(make(Chain::Solana, &[]), SetupError::NoProvider));
    let url = "http://127.0.0.1:1/solana";
    let rate = make(Chain::Solana, &[provider("p", url, 0.0)]);
    assert!(matches!(rate, SetupError::Rate { .. }), "{rate}");
    let bad_url = make(Chain::Solana, &[provider("p", "127.0.0.1/secretkey", 1.0)]);
    assert!(matches!(bad_url, SetupError::Url { .. }));
    assert!(!bad_url.to_string().contains("secretkey"));
    let other_chain = make(Chain::Base, &[provider("p", url, 1.0)]);
    assert!(matches!(other_chain, SetupError::Kind { .. }));
    let other_kind = ProviderConfig { kind: ProviderKind::EvmRpc, ..provider("p", url, 1.0) };
    assert!(matches!(make(Chain::Solana, &[other_kind]), SetupError::Kind { .. }));
    // An encrypted endpoint needs nothing installed beforehand.
    let https = [provider("p", "https://rpc.example.org/key", 1.0)];
    ProviderPool::new(Chain::Solana, &https, hasty(), &metrics()).unwrap();
}
