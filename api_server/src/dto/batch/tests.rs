//! Bodies that are taken and refused.

use super::*;

const SOL: &str = "So11111111111111111111111111111111111111112";
const USDC: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

fn rules() -> SubmitRules {
    SubmitRules {
        max_wallets: 5,
        max_streamed_wallets: 5,
        available: BTreeSet::from([Chain::Solana, Chain::Base]),
        webhooks: Some(TargetRules::default()),
    }
}

fn read(body: &str) -> Result<CreateBatch, ApiError> {
    CreateBatch::read(&Json::read(body.as_bytes(), 1000).unwrap(), &rules())
}

/// `pointer code` of every field error.
fn complaints(body: &str) -> Vec<String> {
    let error = read(body).unwrap_err();
    error.errors().iter().map(|e| format!("{} {}", e.pointer, e.code)).collect()
}

fn with(rest: &str) -> String {
    format!(r#"{{"wallet_addresses":["{SOL}"],"chain":"sol"{rest}}}"#)
}

#[test]
fn a_full_request_is_read() {
    let body = format!(
        r#"{{"wallet_addresses":["{SOL}","{USDC}","{SOL}"],"chain":"sol","method":"fifo",
        "time_range":{{"from":"2024-01-01T00:00:00Z","to":"2025-01-01T00:00:00Z"}},"max_transactions":500,
        "options":{{"oversold":"zero_basis"}}}}"#
    );
    let request = read(&body).unwrap();
    assert_eq!(request.chain, Chain::Solana);
    let wallets: Vec<_> = request.wallets.iter().map(Address::as_str).collect();
    assert_eq!(wallets, [SOL, USDC]);
    assert_eq!(request.duplicates_removed, 1);
    let analysis = request.analysis;
    assert_eq!(analysis.max_transactions, Some(500));
    assert_eq!(analysis.time_range, TimeRange::Between { from: 1_704_067_200, to: 1_735_689_600 });
    assert_eq!(analysis.options["oversold"], "zero_basis");
}

#[test]
fn defaults_are_the_whole_history_by_fifo() {
    let request = read(&with("")).unwrap();
    assert_eq!(request.analysis, Analysis::default());
    assert_eq!(read(&with(r#","time_range":"all","method":null"#)).unwrap(), request);
}

#[test]
fn every_preset_is_read() {
    for preset in Preset::ALL {
        let request = read(&with(&format!(r#","time_range":"{}""#, preset.as_str()))).unwrap();
        assert_eq!(request.analysis.time_range, TimeRange::Preset(preset));
    }
}

#[test]
fn evm_addresses_that_differ_in_case_only_are_one_wallet() {
    let sum = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    let body =
        format!(r#"{{"wallet_addresses":["{sum}","{}"],"chain":"base"}}"#, sum.to_lowercase());
    let request = read(&body).unwrap();
    assert_eq!(request.wallets.len(), 1);
    assert_eq!(request.duplicates_removed, 1);
}

#[test]
fn all_invalid_fields_are_listed_with_their_pointers() {
    let body = format!(
        r#"{{"wallet_addresses":["wallet1","{SOL}",7,null],"chain":"sol","method":"rifo",
        "options":{{"oversold":"never","scoop":1}},"time_range":"2d","max_transactions":0,
        "grp":true,"group":1,"chain":"eth"}}"#
    );
    assert_eq!(
        complaints(&body),
        [
            "/grp unknown-field",
            "/chain duplicate-key",
            "/group wrong-type",
            "/method unknown-method",
            "/options/scoop unknown-field",
            "/options/oversold bad-option",
            "/time_range bad-time-range",
            "/max_transactions out-of-range",
            "/wallet_addresses/0 bad-address",
            "/wallet_addresses/2 wrong-type",
            "/wallet_addresses/3 wrong-type",
        ]
    );
}

#[test]
fn single_mistakes_are_named() {
    for (body, expected) in [
        ("[]", " wrong-type"),
        ("{}", "/chain missing-field"),
        (r#"{"wallet_addresses":[],"chain":"sol"}"#, "/wallet_addresses empty-list"),
        (r#"{"wallet_addresses":{},"chain":"sol"}"#, "/wallet_addresses wrong-type"),
        (r#"{"wallet_addresses":["x"],"chain":"doge"}"#, "/chain unknown-chain"),
        (r#"{"wallet_addresses":["x"],"chain":1}"#, "/chain wrong-type"),
        (&with(r#","time_range":7"#), "/time_range wrong-type"),
        (&with(r#","time_range":{}"#), "/time_range/from missing-field"),
        (&with(r#","time_range":{"from":1}"#), "/time_range/from wrong-type"),
        (&with(r#","time_range":{"since":"x"}"#), "/time_range/since unknown-field"),
        (
            &with(r#","time_range":{"from":"2024-02-30T00:00:00Z","to":"2024-03-01T00:00:00Z"}"#),
            "/time_range/from bad-time-range",
        ),
        (
            &with(r#","time_range":{"from":"2024-01-01T00:00:00Z","to":"2024-01-01T00:00:00Z"}"#),
            "/time_range bad-time-range",
        ),
        (&with(r#","max_transactions":"5""#), "/max_transactions wrong-type"),
        (&with(r#","max_transactions":1.5"#), "/max_transactions out-of-range"),
        (&with(r#","max_transactions":1e3"#), "/max_transactions out-of-range"),
        (&with(r#","options":[]"#), "/options wrong-type"),
        (&with(r#","method":1"#), "/method wrong-type"),
    ] {
        assert_eq!(complaints(body)[0], expected, "{body}");
    }
}

#[test]
fn too_many_wallets_are_counted_before_duplicates_are_removed() {
    let list = vec![format!("\"{SOL}\""); 6].join(",");
    let body = format!(r#"{{"wallet_addresses":[{list}],"chain":"sol"}}"#);
    assert_eq!(read(&body).unwrap_err().problem().code, "too-many-wallets");
}

#[test]
fn a_group_has_a_limit_of_its_own_after_duplicates_are_removed() {
    let rules = SubmitRules { max_wallets: 1_000, ..rules() };
    let read = |count: usize| {
        let wallets: Vec<_> = (0..count).map(|n| format!("\"0x{:040x}\"", n % 101)).collect();
        let list = wallets.join(",");
        let body = format!(r#"{{"wallet_addresses":[{list}],"chain":"base","group":true}}"#);
        CreateBatch::read(&Json::read(body.as_bytes(), 100_000).unwrap(), &rules)
    };
    assert!(read(100).unwrap().analysis.group);
    let error = read(150).unwrap_err();
    assert_eq!(error.errors()[0].pointer, "/group", "101 wallets are left");
    assert_eq!(error.problem().code, "validation-failed");
    assert!(
        !super::CreateBatch::read(
            &Json::read(with(r#","group":false"#).as_bytes(), 1000).unwrap(),
            &rules
        )
        .unwrap()
        .analysis
        .group
    );
}

#[test]
fn lots_are_chosen_for_one_wallet_by_the_method_that_reads_them() {
    let lots = r#""options":{"lots":{"a:0":[{"lot":"b:0","raw":1}]}}"#;
    let request = read(&with(&format!(r#","method":"specific",{lots}"#))).unwrap();
    assert_eq!(request.analysis.method, Method::Specific);
    let options = request.analysis.engine_options(pnl_core::Options::default()).unwrap();
    assert!(options.lots.contains_key("a:0"));
    assert_eq!(read(&with(r#","method":"specific""#)).unwrap().analysis.options.len(), 0);
    let other = "vines1vzrYbzLMRdu58ou5XTby4qAqVRLmqo36NKPTg";
    for body in [
        with(&format!(r#","method":"lifo",{lots}"#)),
        with(&format!(r#",{lots}"#)),
        with(&format!(r#","method":"specific","group":true,{lots}"#)),
        format!(
            r#"{{"wallet_addresses":["{SOL}","{other}"],"chain":"sol","method":"specific",{lots}}}"#
        ),
    ] {
        assert_eq!(complaints(&body), ["/options/lots contradiction"], "{body}");
    }
}

#[test]
fn a_chain_without_provider_has_its_own_code() {
    let address = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    let body = format!(r#"{{"wallet_addresses":["{address}"],"chain":"eth"}}"#);
    let error = read(&body).unwrap_err();
    assert_eq!(error.problem().code, "chain-unavailable");
    assert_eq!(error.errors()[0].pointer, "/chain");
}
