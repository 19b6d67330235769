//! Windows and moments of the past, in batches and of single wallets.

use std::collections::BTreeSet;

use pnl_core::Usd;
use pnl_core::time::rfc3339;
use serde_json::{Value, json};

use crate::support::{TestApp, demo_wallets};

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn sum<'a>(figures: impl Iterator<Item = &'a Value>) -> Usd {
    figures.map(usd).fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap())
}

/// The result of a wallet in a batch with more members.
async fn in_batch(app: &TestApp, wallet: &str, members: Value) -> Value {
    let mut body = json!({"wallet_addresses": [wallet], "chain": "solana"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let accepted = app.submit(&body).await;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let job = accepted.json()["job_id"].as_str().unwrap().to_owned();
    app.ended(&job).await;
    let page = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
    assert_eq!(page["data"][0]["status"], "done", "{page}");
    page["data"][0]["result"].clone()
}

async fn disposals(app: &TestApp, wallet: &str, query: &str) -> Vec<Value> {
    let path = format!("/api/v2/wallets/{wallet}/disposals?chain=sol&limit=1000{query}");
    app.get(&path).await.json()["data"].as_array().unwrap().clone()
}

/// A time in the middle of the wallet's disposals.
async fn middle(app: &TestApp, wallet: &str) -> i64 {
    let rows = disposals(app, wallet, "").await;
    rows[rows.len() / 2]["ts"].as_i64().unwrap()
}

#[tokio::test]
async fn a_window_counts_its_disposals_and_windows_side_by_side_sum_to_the_whole() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}/pnl?chain=sol");
        let whole = app.get(&base).await.json();
        let cut = middle(&app, wallet).await;
        let ranges = [
            format!("1970-01-01T00:00:00Z..{}", rfc3339(cut)),
            format!("{}..2100-01-01T00:00:00Z", rfc3339(cut)),
        ];
        let mut parts = Vec::new();
        for range in &ranges {
            let part = app.get(&format!("{base}&time_range={range}")).await.json();
            let rows = disposals(&app, wallet, &format!("&time_range={range}")).await;
            let gains = rows.iter().filter(|row| row["gain"].is_string());
            assert_eq!(sum(gains.map(|row| &row["gain"])), usd(&part["realized_gain_usd"]));
            assert_eq!(part["unrealized_gain_usd"], whole["unrealized_gain_usd"]);
            assert!(part["window"]["from"].is_string(), "{part}");
            parts.push(part);
        }
        for name in ["realized_gain_usd", "income_usd", "fee_expense_usd", "fees_usd"] {
            let all = sum(parts.iter().map(|part| &part[name]));
            assert_eq!(all, usd(&whole[name]), "{name}");
        }
        let all = app.get(&format!("{base}&time_range=all")).await.json();
        assert_eq!(all, whole);
        let (from, to) = ranges[0].split_once("..").unwrap();
        let batch = in_batch(&app, wallet, json!({"time_range": {"from": from, "to": to}})).await;
        for name in ["realized_gain_usd", "window", "metrics", "tokens", "bounds"] {
            assert_eq!(batch[name], parts[0][name], "{name}");
        }
    }
}

#[tokio::test]
async fn a_moment_of_the_past_has_the_figures_of_the_history_that_ends_there() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let as_of = middle(&app, wallet).await;
        let moment = rfc3339(as_of);
        let view = format!("/api/v2/wallets/{wallet}/pnl?chain=sol&as_of={moment}&include=lots");
        let view = app.get(&view).await.json();
        let batch = in_batch(&app, wallet, json!({"as_of": moment})).await;
        assert_eq!(batch["pinned"]["block_time"], moment.as_str());
        // What the events of a ledger alone say of the past.
        for name in [
            "pinned",
            "window",
            "realized_gain_usd",
            "income_usd",
            "fee_expense_usd",
            "fees_usd",
            "metrics",
            "unexplained_raw",
            "trades",
        ] {
            assert_eq!(view[name], batch[name], "{name} of {wallet}");
        }
        assert!(view["unexplained_raw"].is_null(), "balances of the past are not known");
        for figures in [&view, &batch] {
            let warnings = figures["warnings"].as_array().unwrap().iter();
            let codes: Vec<_> = warnings.map(|warning| warning["code"].as_str().unwrap()).collect();
            assert!(codes.contains(&"past_balances"), "{codes:?}");
            assert!(
                !codes.contains(&"newer_activity"),
                "the wallet did nothing behind it: {codes:?}"
            );
        }
        let whole = app.get(&format!("/api/v2/wallets/{wallet}/pnl?chain=sol")).await.json();
        for name in ["input_hash", "price_set_hash"] {
            assert_ne!(view[name], whole[name], "{name}: it is a part of the ledger");
        }
        // The moment itself is the last second of a preset that ends there.
        let path = format!("/api/v2/wallets/{wallet}/pnl?chain=sol&as_of={moment}&time_range=1h");
        let hour = app.get(&path).await.json();
        assert_eq!(hour["window"]["to"], rfc3339(as_of + 1), "{hour}");
        let query = format!("&as_of={moment}&time_range=1h");
        let inside = disposals(&app, wallet, &query).await;
        assert!(inside.iter().any(|row| row["ts"] == as_of), "{inside:?}");
        for (row, same) in
            view["tokens"].as_array().unwrap().iter().zip(batch["tokens"].as_array().unwrap())
        {
            for name in ["asset", "raw", "basis_usd", "realized_gain_usd", "unknown_raw"] {
                assert_eq!(row[name], same[name], "{name} of {row}");
            }
        }
        let later = view["lots"].as_array().unwrap().iter();
        assert!(later.clone().all(|lot| lot["acquired_ts"].as_i64().unwrap() <= as_of), "{view}");
        // Nothing of it stands for the wallet: its full history still does.
        let newest = app.get(&format!("/api/v2/wallets/{wallet}/pnl?chain=sol")).await.json();
        assert_ne!(newest["pinned"], view["pinned"]);
        let before = disposals(&app, wallet, &format!("&as_of={moment}")).await;
        let all = disposals(&app, wallet, "").await;
        let until = all.iter().filter(|row| row["ts"].as_i64().unwrap() <= as_of);
        assert_eq!(before.iter().collect::<Vec<_>>(), until.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_block_of_the_past_leaves_out_the_later_ones_of_its_second() {
    let wallet = &demo_wallets()[0];
    let app = TestApp::with_worker().await;
    app.completed(std::slice::from_ref(wallet)).await;
    let path = format!("/api/v2/wallets/{wallet}/ledger?chain=sol&limit=1000");
    let ledger = app.get(&path).await.json();
    let rows: Vec<_> = ledger["data"].as_array().unwrap().iter().collect();
    let pair = rows
        .windows(2)
        .find(|two| two[0]["ts"] == two[1]["ts"] && two[0]["block"] != two[1]["block"]);
    let [first, second] = pair.expect("two slots of one second") else { panic!("two") };
    let moment = rfc3339(first["ts"].as_i64().unwrap());
    let view = async |query: &str| {
        let base = format!("/api/v2/wallets/{wallet}/pnl?chain=sol&include=lots&{query}");
        app.get(&base).await.json()
    };
    let block = first["block"].as_u64().unwrap();
    let inside = view(&format!("as_of_block={block}")).await;
    let both = view(&format!("as_of_block={}", second["block"])).await;
    let second_of_both = view(&format!("as_of={moment}")).await;
    assert_eq!(inside["pinned"], json!({"block": block, "block_time": moment}));
    assert_eq!(both, second_of_both, "the last block of a second is the second");
    assert_ne!(inside["fees_usd"], both["fees_usd"], "the second one paid a fee");
    let up_to = rows.iter().filter(|row| row["block"].as_u64().unwrap() <= block);
    let up_to: BTreeSet<_> = up_to.map(|row| row["tx_id"].as_str().unwrap()).collect();
    assert_eq!(inside["transactions"], up_to.len());

    // A job says the same.
    let batch = in_batch(&app, wallet, json!({"as_of": {"block": block}})).await;
    for name in ["pinned", "window", "realized_gain_usd", "fees_usd", "metrics", "trades"] {
        assert_eq!(batch[name], inside[name], "{name}");
    }
    // Between two blocks of the wallet it is as of the one before, but for its number.
    let between = view(&format!("as_of_block={}", block + 1)).await;
    assert!(block + 1 < second["block"].as_u64().unwrap());
    assert_eq!(between["fees_usd"], inside["fees_usd"]);
    for part in ["disposals", "tokens", "equity", "calendar", "coverage", "distribution"] {
        let path = format!("/api/v2/wallets/{wallet}/{part}?chain=sol&as_of_block={block}");
        assert_eq!(app.get(&path).await.status, 200, "{part}");
    }
    let equity = format!("/api/v2/wallets/{wallet}/equity?chain=sol&as_of_block={block}");
    let points = app.get(&equity).await.json();
    let last = points["points"].as_array().unwrap().last().unwrap();
    assert_eq!(last["fees_usd"], inside["fees_usd"], "{points}");

    // Before its first event there is nothing.
    let nothing = view("as_of_block=1").await;
    assert_eq!(nothing["transactions"], 0, "{nothing}");
    // Behind the newest final block a wallet fails, and says why.
    let body = json!({"wallet_addresses": [wallet], "chain": "solana", "as_of": {"block": 999_999_999_999_u64}});
    let job = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
    app.ended(&job).await;
    let page = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
    assert_eq!(page["data"][0]["error"]["code"], "as-of-behind-pin", "{page}");
}

#[tokio::test]
async fn options_that_contradict_each_other_are_named() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets[..1]).await;
    let base = format!("/api/v2/wallets/{}/pnl?chain=sol", wallets[0]);
    let named = |problem: Value| {
        let error = &problem["errors"][0];
        (error["pointer"].clone(), error["code"].clone())
    };
    for (query, pointer, code) in [
        ("as_of=2100-01-01T00:00:00Z", "?as_of", "out-of-range"),
        ("as_of_block=999999999999", "?as_of_block", "out-of-range"),
        ("as_of_block=7&time_range=1h", "?as_of_block", "contradiction"),
        ("as_of_block=7&as_of=2020-01-01T00:00:00Z", "?as_of_block", "contradiction"),
        (
            "as_of=2020-01-01T00:00:00Z&time_range=2020-01-01T00:00:00Z..2021-01-01T00:00:00Z",
            "?as_of",
            "contradiction",
        ),
    ] {
        let problem = app.get(&format!("{base}&{query}")).await.problem(422, "validation-failed");
        let detail = problem["errors"][0]["detail"].as_str().unwrap().to_owned();
        let is_both = query.contains("as_of_block=") && query.contains("as_of=");
        assert_eq!(detail.contains("give one, not both"), is_both, "{query}: {detail}");
        assert_eq!(named(problem), (pointer.into(), code.into()), "{query}");
    }
    let moment = "2020-01-01T00:00:00Z";
    for (members, code) in [
        (json!({"as_of": "2100-01-01T00:00:00Z"}), "out-of-range"),
        (json!({"as_of": moment, "max_transactions": 5}), "contradiction"),
        (
            json!({"as_of": moment, "time_range": {"from": "2019-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}}),
            "contradiction",
        ),
        (json!({"as_of": "yesterday"}), "bad-time-range"),
        (json!({"as_of": 7}), "wrong-type"),
        (json!({"as_of": {"block": 7}, "max_transactions": 5}), "contradiction"),
        (json!({"as_of": {"block": 7}, "time_range": "1h"}), "contradiction"),
        (json!({"as_of": {"block": 7}, "group": true}), "contradiction"),
    ] {
        let mut body = json!({"wallet_addresses": [wallets[0]], "chain": "solana"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let problem = app.submit(&body).await.problem(422, "validation-failed");
        assert_eq!(named(problem), ("/as_of".into(), code.into()), "{body}");
    }
}
