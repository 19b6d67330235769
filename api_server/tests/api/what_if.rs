//! All methods side by side, over HTTP.

use pnl_core::Usd;
use pnl_core::document::Document;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Reply, TestApp, UNUSED, demo_wallets, reply};

const METHODS: [&str; 4] = ["fifo", "lifo", "hifo", "average"];

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn sum(figures: impl Iterator<Item = Usd>) -> Usd {
    figures.fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap())
}

#[tokio::test]
async fn every_method_has_the_figures_of_its_own_result_and_differences_add_up() {
    let app = TestApp::with_worker().await;
    let mut wallets = demo_wallets();
    wallets.extend(app.node.chain().synthetic_wallets());
    app.completed(&wallets).await;
    let mut differing = 0;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let compared = app.get(&format!("{base}/what-if?chain=sol")).await.json();
        let rows = compared["methods"].as_array().unwrap();
        assert_eq!(rows.len(), METHODS.len());
        for (row, method) in rows.iter().zip(METHODS) {
            let own = app.get(&format!("{base}/pnl?chain=sol&method={method}")).await.json();
            assert_eq!(row["method"], method);
            assert_eq!(compared["pinned"], own["pinned"]);
            for name in
                ["realized_gain_usd", "net_realized_usd", "unrealized_gain_usd", "total_pnl_usd"]
            {
                assert_eq!(row[name], own[name], "{wallet} {method} {name}");
            }
            let parts = usd(&row["remaining_difference_usd"])
                .checked_add(usd(&row["other_difference_usd"]))
                .unwrap();
            assert_eq!(parts, usd(&row["gain_difference_usd"]), "{row}");
        }
        let tokens = compared["tokens"].as_array().unwrap();
        differing += tokens.len();
        assert_eq!(compared["differing_tokens"], tokens.len(), "{compared}");
        for (n, row) in rows.iter().enumerate() {
            let of_tokens = tokens.iter().map(|token| &token["by_method"][n]);
            let of_tokens = sum(of_tokens.map(|row| usd(&row["gain_difference_usd"])));
            let others = usd(&compared["other_tokens"][n]["gain_difference_usd"]);
            let all = of_tokens.checked_add(others).unwrap();
            assert_eq!(all, usd(&row["gain_difference_usd"]), "{compared}");
        }
    }
    assert!(differing > 0, "a token whose gain depends on the method");
}

async fn ask(app: &TestApp, wallet: &str, options: &Value) -> Reply {
    let path = format!("/api/v2/wallets/{wallet}/what-if?chain=sol");
    reply(app.request(Method::POST, &path).json(&json!({ "options": options }))).await
}

/// Lots as another method matches them, for everything by which they are known whole.
async fn lots_by(app: &TestApp, wallet: &str, method: &str) -> Value {
    let path = format!("/api/v2/wallets/{wallet}/disposals?chain=sol&limit=1000&method={method}");
    let mut lots = serde_json::Map::new();
    for row in app.get(&path).await.json()["data"].as_array().unwrap() {
        if row["leg"] == "fee" {
            continue;
        }
        let parts = row["matches"].as_array().unwrap().iter();
        let parts: Vec<_> =
            parts.map(|part| json!({"lot": part["lot"], "raw": part["qty"]})).collect();
        if !parts.is_empty() {
            lots.insert(row["event"].as_str().unwrap().to_owned(), json!(parts));
        }
    }
    Value::Object(lots)
}

#[tokio::test]
async fn chosen_lots_stand_beside_the_other_methods_and_are_those_of_a_job() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let path = format!("/api/v2/wallets/{wallet}/what-if?chain=sol");
        let by_name = app.get(&path).await.json();
        assert_eq!(ask(&app, wallet, &json!({})).await.json(), by_name, "without lots the same");

        let lots = lots_by(&app, wallet, "fifo").await;
        let (sale, parts) = lots.as_object().unwrap().iter().next().unwrap();
        let all = ask(&app, wallet, &json!({ "lots": lots })).await;
        assert_eq!(all.header("cache-control"), "no-store");
        let all = all.json();
        let rows = all["methods"].as_array().unwrap();
        assert_eq!(rows[..4], by_name["methods"].as_array().unwrap()[..]);
        assert_eq!(rows[4]["method"], "specific");
        for (name, value) in rows[0].as_object().unwrap() {
            if name != "method" {
                assert_eq!(rows[4][name], *value, "the oldest lots, chosen: {name}");
            }
        }

        // Chosen for one sale alone; the rest falls to the oldest.
        let newest = lots_by(&app, wallet, "lifo").await;
        let (sale_of, chosen) = newest
            .as_object()
            .unwrap()
            .iter()
            .find(|(event, parts)| lots.get(*event).is_some_and(|oldest| oldest != *parts))
            .unwrap_or((sale, parts));
        let options = json!({"lots": {sale_of: chosen}});
        let answer = ask(&app, wallet, &options).await.json();
        let specific = &answer["methods"][4];
        let body = json!({"wallet_addresses": [wallet], "chain": "sol", "method": "specific",
                          "options": options});
        let job = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
        app.ended(&job).await;
        let page = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
        let result = &page["data"][0]["result"];
        assert_eq!(result["method"], "specific", "{page}");
        assert_eq!(result["options"]["lots"], options["lots"]);
        for name in ["realized_gain_usd", "net_realized_usd", "unrealized_gain_usd"] {
            assert_eq!(specific[name], result[name], "{name}");
        }
        // And those of an accounting document.
        let path = format!("/api/v2/wallets/{wallet}/ledger?chain=sol&format=oracle");
        let mut document = app.get(&path).await.json();
        document["method"] = json!("specific");
        document["options"]["lots"] = options["lots"].clone();
        let document = Document::read(&document.to_string()).unwrap();
        let outcome = document.run().unwrap();
        assert_eq!(usd(&specific["realized_gain_usd"]), outcome.totals.realized_gain);
        // The disposals of the job are computed again with its lots.
        let path = format!("/api/pnl/batch/results/{job}/export.ndjson?rows=disposals");
        let exported = app.get(&path).await;
        let row = exported.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = row
            .into_iter()
            .map(|row| row["disposal"].clone())
            .find(|row| row["event"] == *sale_of && row["leg"] != "fee");
        let row = row.unwrap_or_else(|| panic!("{}", exported.text));
        assert_eq!(row["matches"][0]["lot"], chosen[0]["lot"]);
    }
}

#[tokio::test]
async fn lots_that_do_not_fit_the_history_are_named() {
    let app = TestApp::with_worker().await;
    let wallet = &demo_wallets()[0];
    app.completed(std::slice::from_ref(wallet)).await;
    let path = format!("/api/v2/wallets/{wallet}/disposals?chain=sol&limit=1000");
    let rows = app.get(&path).await.json()["data"].as_array().unwrap().clone();
    let matched = |row: &&Value| row["leg"] != "fee" && row["matches_total"] != 0;
    let sale = rows.iter().find(matched).unwrap();
    let other = rows.iter().filter(matched).find(|row| row["asset"] != sale["asset"]).unwrap();
    let event = sale["event"].as_str().unwrap();
    let (own, foreign) = (&sale["matches"][0]["lot"], &other["matches"][0]["lot"]);
    let more = format!("{}0", sale["qty"].as_str().unwrap());
    let none = format!("{}:99", event.split(':').next().unwrap());
    let entry = own.as_str().unwrap();
    let choice = |event: &str, lot: &Value, raw: &str| json!({event: [{"lot": lot, "raw": raw}]});
    for (lots, code, says) in [
        (choice(&none, own, "1"), "unknown-choice", none.as_str()),
        (choice(event, &json!(none), "1"), "chosen-lot-not-held", none.as_str()),
        (choice(event, foreign, "1"), "chosen-lot-not-held", foreign.as_str().unwrap()),
        (choice(event, own, &more), "chosen-too-much", entry),
    ] {
        let options = json!({ "lots": lots });
        let problem = ask(&app, wallet, &options).await.problem(422, "validation-failed");
        assert_eq!(problem["errors"][0]["pointer"], "/options/lots", "{problem}");
        assert_eq!(problem["errors"][0]["code"], "bad-option", "{problem}");
        let detail = problem["errors"][0]["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{detail}");
        let body = json!({"wallet_addresses": [wallet], "chain": "sol", "method": "specific",
                          "options": options});
        let job = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
        app.ended(&job).await;
        let page = app.get(&format!("/api/pnl/batch/results/{job}")).await.json();
        let error = &page["data"][0]["error"];
        assert_eq!((&error["code"], &error["retryable"]), (&json!(code), &json!(false)), "{page}");
        assert!(error["detail"].as_str().unwrap().contains(detail), "{error}");
    }
    let strict = ask(&app, wallet, &json!({"oversold": "never"})).await;
    strict.problem(422, "validation-failed");
    let path = format!("/api/v2/wallets/{wallet}/what-if?chain=sol");
    let list = reply(app.request(Method::POST, &path).json(&json!([]))).await;
    list.problem(422, "validation-failed");
}

#[tokio::test]
async fn a_ledger_of_an_older_program_gives_the_same_answer() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    let ask = async || {
        let mut answers = Vec::new();
        for wallet in &wallets {
            let path = format!("/api/v2/wallets/{wallet}/what-if?chain=sol");
            answers.push(app.get(&path).await.json());
        }
        answers
    };
    let with_figures = ask().await;
    // Figures of a version that nobody knows: one byte 9, as zstd packs it.
    let change = r"update ledger_chunks set figures = '\x28b52ffd2001090000' || '\x09'::bytea";
    assert!(app.database.execute(change).await > 0);
    assert_eq!(ask().await, with_figures);
    let forget = "update ledger_chunks set figures = null where figures is not null";
    assert!(app.database.execute(forget).await > 0);
    assert_eq!(ask().await, with_figures);
}

#[tokio::test]
async fn an_unknown_wallet_is_told_how_to_be_known() {
    let app = TestApp::without_worker().await;
    let path = format!("/api/v2/wallets/{UNUSED}/what-if?chain=solana");
    app.get(&path).await.problem(404, "unknown-wallet");
}

#[tokio::test]
async fn methods_are_compared_within_a_window_and_up_to_a_moment() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    app.completed(&wallets).await;
    for wallet in &wallets {
        let base = format!("/api/v2/wallets/{wallet}");
        let rows = app.get(&format!("{base}/disposals?chain=sol&limit=1000")).await.json();
        let rows = rows["data"].as_array().unwrap();
        let middle = pnl_core::time::rfc3339(rows[rows.len() / 2]["ts"].as_i64().unwrap());
        for view in [
            format!("time_range={middle}..2100-01-01T00:00:00Z"),
            format!("time_range=1970-01-01T00:00:00Z..{middle}"),
            format!("as_of={middle}"),
            format!("as_of={middle}&time_range=1d"),
        ] {
            let compared = app.get(&format!("{base}/what-if?chain=sol&{view}")).await.json();
            let methods = compared["methods"].as_array().unwrap();
            for (n, (row, method)) in methods.iter().zip(METHODS).enumerate() {
                let path = format!("{base}/pnl?chain=sol&method={method}&{view}");
                let own = app.get(&path).await.json();
                assert_eq!(compared["pinned"], own["pinned"]);
                for name in [
                    "realized_gain_usd",
                    "net_realized_usd",
                    "unrealized_gain_usd",
                    "total_pnl_usd",
                ] {
                    assert_eq!(row[name], own[name], "{wallet} {method} {view} {name}");
                }
                let parts = ["remaining_difference_usd", "other_difference_usd"];
                let parts = sum(parts.iter().map(|name| usd(&row[*name])));
                assert_eq!(parts, usd(&row["gain_difference_usd"]), "{row}");
                let other = row["other"].as_object().unwrap().values();
                assert_eq!(sum(other.map(usd)), usd(&row["other_difference_usd"]), "{row}");
                let tokens = compared["tokens"].as_array().unwrap().iter();
                for name in ["gain_difference_usd", "remaining_difference_usd"] {
                    let of_tokens =
                        sum(tokens.clone().map(|token| usd(&token["by_method"][n][name])));
                    let others = usd(&compared["other_tokens"][n][name]);
                    assert_eq!(of_tokens.checked_add(others).unwrap(), usd(&row[name]), "{name}");
                }
                let held = |rows: &Value| {
                    let basis = |n: usize| usd(&rows[n]["remaining_basis_usd"]);
                    basis(n).checked_sub(basis(0)).unwrap()
                };
                let of_tokens = sum(tokens.map(|token| held(&token["by_method"])));
                let of_tokens = of_tokens.checked_add(held(&compared["other_tokens"])).unwrap();
                assert_eq!(of_tokens, held(&compared["methods"]), "{wallet} {view}");
            }
        }
    }
    let path = format!("/api/v2/wallets/{}/what-if?chain=sol&time_range=1d", wallets[0]);
    let none = reply(app.request(Method::POST, &path).json(&json!({"options": {"lots": {}}})));
    assert_eq!(none.await.json(), app.get(&path).await.json(), "no lot is chosen");
    let body = json!({"options": {"lots": {"a:0": [{"lot": "b:0", "raw": "1"}]}}});
    let chosen = reply(app.request(Method::POST, &path).json(&body)).await;
    let problem = chosen.problem(422, "validation-failed");
    assert_eq!(problem["errors"][0]["pointer"], "?time_range", "{problem}");
}
