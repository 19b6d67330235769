//! The node as its clients see it, over a plain socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::path::Path;

use load_tests::{FaultKind, Faults, RecordedChain, RecordedNode, SyntheticPlan};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The text of the whole answer, headers included; as much as came before the connection closed.
async fn exchange(node: &RecordedNode, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(node.address()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A cut connection is an end like any other here.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn body_of(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

async fn rpc(node: &RecordedNode, method: &str, params: Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let answer = exchange(node, "POST /solana", &call.to_string()).await;
    serde_json::from_str(body_of(&answer)).unwrap()
}

fn demo_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo-chain")
}

async fn demo() -> RecordedNode {
    let chain = RecordedChain::from_folder(demo_folder()).unwrap();
    let chain = chain.with_prices(demo_folder().join("prices")).unwrap();
    RecordedNode::start(chain, "127.0.0.1:0").await.unwrap()
}

fn demo_wallets() -> Vec<String> {
    let text = std::fs::read_to_string(demo_folder().join("wallets.txt")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_transaction_of_the_demo_is_listed_and_served_as_recorded() {
    let node = demo().await;
    let mut seen = std::collections::BTreeSet::new();
    for wallet in demo_wallets() {
        let page = rpc(&node, "getSignaturesForAddress", json!([wallet])).await;
        let rows = page["result"].as_array().unwrap();
        assert!(!rows.is_empty());
        assert!(rows.is_sorted_by_key(|row| std::cmp::Reverse(row["slot"].as_u64())));
        for row in rows {
            let signature = row["signature"].as_str().unwrap();
            let config = json!({"encoding": "json", "maxSupportedTransactionVersion": 0});
            let answer = rpc(&node, "getTransaction", json!([signature, config])).await;
            let path = demo_folder().join(format!("transactions/{signature}.json"));
            let recorded: Value =
                serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            assert_eq!(answer["result"], recorded);
            assert_eq!(row["slot"], recorded["slot"]);
            assert_eq!(row["err"], recorded["meta"]["err"]);
            seen.insert(signature.to_owned());
        }
    }
    // Some transactions name token accounts only, so the wallets alone do not list all 120.
    assert!(seen.len() > 90, "{}", seen.len());
    assert_eq!(node.stats().calls_of("getSignaturesForAddress"), 4);
}

#[tokio::test]
async fn balances_are_those_after_the_last_transaction_and_the_head_has_a_time_and_a_price() {
    let node = demo().await;
    let wallet = &demo_wallets()[0];
    let page = rpc(&node, "getSignaturesForAddress", json!([wallet, {"limit": 1}])).await;
    let newest = page["result"][0]["signature"].as_str().unwrap();
    let config = json!({"maxSupportedTransactionVersion": 0});
    let last = rpc(&node, "getTransaction", json!([newest, config])).await["result"].take();
    let mut keys: Vec<&Value> =
        last["transaction"]["message"]["accountKeys"].as_array().unwrap().iter().collect();
    for kind in ["writable", "readonly"] {
        keys.extend(last["meta"]["loadedAddresses"][kind].as_array().into_iter().flatten());
    }
    let place = keys.iter().position(|key| *key == wallet).unwrap();
    let balance = rpc(&node, "getBalance", json!([wallet])).await;
    assert_eq!(balance["result"]["value"], last["meta"]["postBalances"][place]);

    let slot = rpc(&node, "getSlot", json!([])).await["result"].take();
    assert_eq!(balance["result"]["context"]["slot"], slot);
    let time = rpc(&node, "getBlockTime", json!([slot])).await["result"].as_i64().unwrap();
    let path = format!("GET /llama/prices/historical/{time}/coingecko:solana,coingecko:ethereum");
    let prices: Value = serde_json::from_str(body_of(&exchange(&node, &path, "").await)).unwrap();
    assert_eq!(prices["coins"]["coingecko:solana"]["symbol"], "SOL");
    assert!(prices["coins"].get("coingecko:ethereum").is_none());
}

#[tokio::test]
async fn what_a_node_refuses_is_refused_with_its_code() {
    let node = demo().await;
    let wallet = &demo_wallets()[0];
    let too_many = rpc(&node, "getSignaturesForAddress", json!([wallet, {"limit": 1001}])).await;
    assert_eq!(too_many["error"]["code"], -32602);
    let unknown = rpc(&node, "getEverything", json!([])).await;
    assert_eq!(unknown["error"]["code"], -32601);
    let page = rpc(&node, "getSignaturesForAddress", json!([wallet])).await;
    let mut versions = std::collections::BTreeSet::new();
    for row in page["result"].as_array().unwrap() {
        let answer = rpc(&node, "getTransaction", json!([row["signature"], "json"])).await;
        versions.insert(answer["error"]["code"].as_i64());
    }
    // Legacy ones are given, versioned ones need the parameter.
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), [None, Some(-32015)]);
    let signature = "1".repeat(64);
    let nothing = rpc(&node, "getTransaction", json!([signature])).await;
    assert!(nothing["result"].is_null() && nothing.get("error").is_none());
}

#[tokio::test]
async fn a_batch_counts_each_of_its_calls() {
    let node = demo().await;
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "getSlot"},
        {"jsonrpc": "2.0", "id": 2, "method": "getHealth"},
        {"jsonrpc": "2.0", "id": 3, "method": "getSlot"},
    ]);
    let answer = exchange(&node, "POST /solana", &batch.to_string()).await;
    let answers: Value = serde_json::from_str(body_of(&answer)).unwrap();
    assert_eq!(answers.as_array().unwrap().len(), 3);
    let stats = node.stats();
    assert_eq!((stats.requests["/solana"], stats.max_rps["/solana"]), (1, 3));
    assert_eq!(stats.calls_of("getSlot"), 2);
    let served: Value =
        serde_json::from_str(body_of(&exchange(&node, "GET /_stats", "").await)).unwrap();
    assert_eq!(served, serde_json::to_value(&stats).unwrap());
    exchange(&node, "POST /_reset", "").await;
    assert_eq!(node.stats().calls_of("getSlot"), 0);
}

#[tokio::test]
async fn each_fault_looks_like_the_real_thing() {
    let node = demo().await;
    let call = r#"{"jsonrpc":"2.0","id":7,"method":"getSlot"}"#;
    let ask = async || exchange(&node, "POST /solana", call).await;
    let good = ask().await;
    assert!(good.starts_with("HTTP/1.1 200"));
    for (kind, status) in [
        (FaultKind::Http401, "401"),
        (FaultKind::Http403, "403"),
        (FaultKind::Http404, "404"),
        (FaultKind::Http500, "500"),
        (FaultKind::Http503, "503"),
    ] {
        node.set_faults(Faults::always(kind));
        assert!(ask().await.starts_with(&format!("HTTP/1.1 {status}")), "{kind:?}");
    }
    node.set_faults(Faults::always(FaultKind::Reset));
    assert_eq!(ask().await, "");
    node.set_faults(Faults { down: true, ..Faults::default() });
    assert_eq!(ask().await, "");
    node.set_faults(Faults::always(FaultKind::Garbage));
    assert_eq!(body_of(&ask().await), "<html>bad gateway</html>");
    node.set_faults(Faults::always(FaultKind::EmptyBody));
    let empty = ask().await;
    assert!(empty.starts_with("HTTP/1.1 200") && body_of(&empty).is_empty());
    node.set_faults(Faults::always(FaultKind::NullResult));
    assert_eq!(body_of(&ask().await), r#"{"jsonrpc":"2.0","result":null,"id":7}"#);
    node.set_faults(Faults { rpc_code: -32005, ..Faults::always(FaultKind::RpcError) });
    assert!(body_of(&ask().await).contains(r#""code":-32005"#));
    node.set_faults(Faults::always(FaultKind::Truncated));
    let cut = ask().await;
    let promised = format!("content-length: {}", body_of(&good).len());
    assert!(cut.contains(&promised), "{cut}");
    assert!(body_of(&cut).len() < body_of(&good).len());
    node.set_faults(Faults { rate_limit_rps: Some(0), ..Faults::default() });
    let put_off = ask().await;
    assert!(put_off.starts_with("HTTP/1.1 429") && put_off.contains("retry-after: 1"));
    exchange(&node, "POST /_faults", "{}").await;
    assert_eq!(body_of(&ask().await), body_of(&good));
}

#[tokio::test]
async fn faults_strike_where_and_as_often_as_they_are_told_to() {
    let node = demo().await;
    node.set_faults(Faults {
        only: Some("getSlot".to_owned()),
        ..Faults::first(2, FaultKind::RpcError)
    });
    assert_eq!(rpc(&node, "getHealth", json!([])).await["result"], "ok");
    for expected in [true, true, false] {
        let answer = rpc(&node, "getSlot", json!([])).await;
        assert_eq!(answer.get("error").is_some(), expected);
    }
    assert_eq!(node.stats().faults_given(), 2);
    let refused = exchange(&node, "POST /_faults", r#"{"error_rat":1}"#).await;
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
}

#[tokio::test]
async fn the_same_seed_draws_the_same_faults() {
    let draw = async || {
        let node = demo().await;
        let faults = Faults {
            error_rate: 0.5,
            kinds: vec![FaultKind::NullResult, FaultKind::RpcError],
            seed: 42,
            ..Faults::default()
        };
        node.set_faults(faults);
        let mut kinds = Vec::new();
        for _ in 0..20 {
            let answer = rpc(&node, "getSlot", json!([])).await;
            kinds.push((answer["result"].is_null(), answer.get("error").is_some()));
        }
        kinds
    };
    let first = draw().await;
    assert_eq!(first, draw().await);
    assert!(first.contains(&(false, false)) && first.contains(&(true, true)));
}

#[tokio::test]
async fn made_up_wallets_are_served_beside_recorded_ones() {
    let plan = SyntheticPlan { wallets: 2, transactions_each: 1_234, ..SyntheticPlan::default() };
    let chain = RecordedChain::from_folder(demo_folder()).unwrap().with_synthetic(plan);
    let wallets = chain.synthetic_wallets();
    let node = RecordedNode::start(chain, "127.0.0.1:0").await.unwrap();
    let first = rpc(&node, "getSignaturesForAddress", json!([wallets[1]])).await;
    let rows = first["result"].as_array().unwrap();
    assert_eq!(rows.len(), 1000);
    let before = json!({"before": rows[999]["signature"]});
    let rest = rpc(&node, "getSignaturesForAddress", json!([wallets[1], before])).await;
    assert_eq!(rest["result"].as_array().unwrap().len(), 234);
    let recorded = rpc(&node, "getSignaturesForAddress", json!([demo_wallets()[0]])).await;
    assert!(!recorded["result"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_stopped_node_frees_its_port_and_refuses_connections() {
    let node = demo().await;
    let address = node.address();
    node.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
    let again = RecordedNode::start(RecordedChain::default(), address).await.unwrap();
    assert_eq!(again.address(), address);
}
