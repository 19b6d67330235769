//! Never faster than allowed, and patient when told to be.

use std::time::{Duration, Instant, SystemTime};

use chain_client::{
    CallPolicy, ChainSource, ClientMetrics, ProviderPool, ProviderState, SourceError,
    TransactionSource,
};
use futures::future::join_all;
use load_tests::{FaultKind, Faults};
use pnl_core::Chain;

use crate::support::{demo_node, hasty, metrics, pool, provider, requests, wallet};

#[tokio::test]
async fn the_node_never_sees_more_calls_in_a_second_than_configured() {
    let node = demo_node().await;
    // The node sees each call after a different delay, as over a real network.
    node.set_faults(Faults { latency_ms: Some((0, 150)), ..Faults::default() });
    let providers = [provider("first", &node.solana_url(), 10.0)];
    let pool = ProviderPool::new(Chain::Solana, &providers, hasty(), &metrics()).unwrap();
    let answers = join_all((0..35).map(|_| pool.probe())).await;
    assert!(answers.iter().all(Result::is_ok));
    let stats = node.stats();
    assert_eq!(stats.calls_of("getSlot"), 35);
    assert!(stats.max_rps["/solana"] <= 10, "{stats:?}");
    // The budget is used, not just kept.
    assert!(stats.max_rps["/solana"] >= 5, "{stats:?}");
}

#[tokio::test]
async fn half_a_call_a_second_is_one_every_two_seconds() {
    let node = demo_node().await;
    let providers = [provider("first", &node.solana_url(), 0.5)];
    let pool = ProviderPool::new(Chain::Solana, &providers, hasty(), &metrics()).unwrap();
    let start = Instant::now();
    pool.probe().await.unwrap();
    pool.probe().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn being_put_off_costs_time_but_no_tries() {
    let node = demo_node().await;
    node.set_faults(Faults { rate_limit_rps: Some(4), ..Faults::default() });
    let pool = pool(&[&node], CallPolicy { call_tries: 1, ..hasty() });
    let start = Instant::now();
    let wallet = wallet();
    let answers = join_all((0..10).map(|_| pool.signatures(&wallet, None, None))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    // Ten calls at four a second end in the third second.
    assert!(start.elapsed() >= Duration::from_secs(2));
    let stats = node.stats();
    assert_eq!(stats.calls_of("getSignaturesForAddress"), 10);
    assert!(stats.faults["http429"] >= 2);
    let status = &pool.status()[0];
    assert_eq!(status.errors, 0);
    assert_eq!(status.calls, requests(&node));
}

#[tokio::test]
async fn a_wait_is_obeyed_as_seconds_as_a_date_or_by_default() {
    let node = demo_node().await;
    let in_three_seconds = || {
        // A date has whole seconds, so up to one of the three is cut.
        httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3))
    };
    for (retry_after, at_least) in
        [("2".to_owned(), 2_000), (String::new(), 1_000), ("date".to_owned(), 1_500)]
    {
        let retry_after = if retry_after == "date" { in_three_seconds() } else { retry_after };
        node.set_faults(Faults { retry_after, ..Faults::first(1, FaultKind::Http429) });
        let start = Instant::now();
        pool(&[&node], hasty()).signatures(&wallet(), None, None).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(at_least), "{:?}", start.elapsed());
    }
    // The same said by an error object.
    node.set_faults(Faults { rpc_code: 429, ..Faults::first(1, FaultKind::RpcError) });
    let start = Instant::now();
    pool(&[&node], hasty()).signatures(&wallet(), None, None).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_long_wait_gives_the_call_back_and_the_node_its_peace() {
    let node = demo_node().await;
    node.set_faults(Faults {
        retry_after: "120".to_owned(),
        ..Faults::first(1, FaultKind::Http429)
    });
    let pool = pool(&[&node], hasty());
    for _ in 0..3 {
        let error = pool.signatures(&wallet(), None, None).await.unwrap_err();
        assert!(
            matches!(error, SourceError::RateLimited { retry_after } if retry_after.as_secs() >= 110),
            "{error}"
        );
    }
    assert!(matches!(pool.probe().await, Err(SourceError::RateLimited { .. })));
    // Only the first call reached the node.
    assert_eq!(requests(&node), 1);
    let status = &pool.status()[0];
    assert_eq!(status.state, ProviderState::Throttled);
    assert_eq!(status.errors, 0);
    assert_eq!(status.detail.as_deref(), Some("asks to wait 120 s"));
}

#[tokio::test]
async fn a_call_that_is_put_off_again_and_again_is_given_back() {
    let node = demo_node().await;
    node.set_faults(Faults::always(FaultKind::Http429));
    let policy = CallPolicy { longest_throttle: Duration::from_millis(2_500), ..hasty() };
    let error = pool(&[&node], policy).signatures(&wallet(), None, None).await.unwrap_err();
    assert!(matches!(error, SourceError::RateLimited { .. }), "{error}");
    assert_eq!(requests(&node), 3);
}

#[tokio::test]
async fn metrics_tell_answers_from_failures_and_from_being_put_off() {
    let node = demo_node().await;
    let registry = prometheus::Registry::new();
    let metrics = ClientMetrics::register(&registry).unwrap();
    let providers = [provider("first", &node.solana_url(), 1000.0)];
    let pool = ProviderPool::new(Chain::Solana, &providers, hasty(), &metrics).unwrap();
    node.set_faults(Faults::first(1, FaultKind::Http503));
    pool.signatures(&wallet(), None, None).await.unwrap();
    node.set_faults(Faults::first(1, FaultKind::Http429));
    pool.signatures(&wallet(), None, None).await.unwrap();
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let method = r#"method="getSignaturesForAddress""#;
    for line in [
        format!(r#"provider_calls_total{{{method},outcome="ok",provider="first"}} 2"#),
        format!(r#"provider_calls_total{{{method},outcome="endpoint",provider="first"}} 1"#),
        format!(r#"provider_calls_total{{{method},outcome="throttled",provider="first"}} 1"#),
        r#"provider_throttled_total{provider="first"} 1"#.to_owned(),
        format!(r#"provider_call_duration_seconds_count{{{method},provider="first"}} 4"#),
        r#"provider_up{provider="first"} 1"#.to_owned(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} not in\n{text}");
    }
}
