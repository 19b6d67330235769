//! Two results of one wallet compared, over HTTP.

use std::path::Path;
use std::sync::OnceLock;

use pnl_core::Usd;
use pnl_core::time::rfc3339;
use serde_json::{Value, json};
use service_runtime::config::{PriceSource, Role, Settings};

use crate::support::{Plan, TestApp, demo_wallets};

fn usd(value: &Value) -> Usd {
    value.as_str().unwrap_or_else(|| panic!("{value} is no figure")).parse().unwrap()
}

fn plus(figures: &[&Value]) -> Usd {
    figures.iter().map(|value| usd(value)).fold(Usd::ZERO, |a, b| a.checked_add(b).unwrap())
}

async fn job(app: &TestApp, wallet: &str, members: Value) -> (String, Value) {
    let mut body = json!({"wallet_addresses": [wallet], "chain": "solana"});
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let id = app.submit(&body).await.json()["job_id"].as_str().unwrap().to_owned();
    app.ended(&id).await;
    let page = app.get(&format!("/api/pnl/batch/results/{id}")).await.json();
    assert_eq!(page["data"][0]["status"], "done", "{page}");
    (id, page["data"][0]["result"].clone())
}

/// Every level sums to the one above, and the top is the difference of the two results.
fn sums_up(diff: &Value, from: &Value, to: &Value) {
    let less = |name: &str| usd(&to[name]).checked_sub(usd(&from[name])).unwrap();
    for name in ["total_pnl_usd", "realized_gain_usd", "income_usd", "unrealized_gain_usd"] {
        assert_eq!(usd(&diff[name]), less(name), "{name}");
    }
    assert_eq!(diff["left_over_usd"], "0", "{diff}");
    assert_eq!(diff["tokens_left_over_usd"], "0", "{diff}");
    let parts = ["realized_gain_usd", "income_usd", "fee_expense_usd", "unrealized_gain_usd"];
    assert_eq!(plus(&parts.map(|name| &diff[name])), usd(&diff["total_pnl_usd"]));
    let tokens = diff["tokens"].as_array().unwrap();
    for name in ["realized_gain_usd", "unrealized_gain_usd"] {
        let of_tokens: Vec<_> = tokens.iter().map(|token| &token["difference"][name]).collect();
        assert_eq!(plus(&of_tokens), usd(&diff[name]), "{name} of {diff}");
    }
    if !diff["causes"].is_null() {
        let causes = ["event_prices", "events", "pin_prices", "new_transactions"];
        for name in [&parts[..], &["total_pnl_usd"]].concat() {
            let of_causes = causes.map(|cause| &diff["causes"][cause][name]);
            assert_eq!(plus(&of_causes), usd(&diff[name]), "{name} of {diff}");
        }
    }
    let realized = &diff["realized"];
    let new = if realized["new_transactions_usd"].is_null() {
        Usd::ZERO
    } else {
        usd(&realized["new_transactions_usd"])
    };
    let both = new.checked_add(usd(&realized["elsewhere_usd"])).unwrap();
    assert_eq!(both, usd(&diff["realized_gain_usd"]), "{diff}");
}

#[tokio::test]
async fn what_changed_a_number_is_named_and_sums_to_the_difference() {
    let app = TestApp::with_worker().await;
    for wallet in demo_wallets() {
        let (newest, whole) = job(&app, &wallet, json!({})).await;
        let path = format!("/api/v2/wallets/{wallet}/disposals?chain=sol&limit=1000");
        let rows = app.get(&path).await.json()["data"].as_array().unwrap().clone();
        let moment = rfc3339(rows[rows.len() / 2]["ts"].as_i64().unwrap());
        let (before, past) = job(&app, &wallet, json!({"as_of": moment})).await;
        let (other, by_lifo) = job(&app, &wallet, json!({"method": "lifo"})).await;

        let path = |from: &str, to: &str| {
            format!("/api/v2/wallets/{wallet}/diff?chain=sol&from={from}&to={to}")
        };
        let same = app.get(&path(&newest, &newest)).await.json();
        sums_up(&same, &whole, &whole);
        assert_eq!(same["changed"], json!([]));
        assert_eq!(same["total_pnl_usd"], "0");
        assert_eq!(same["tokens"], json!([]));

        let later = app.get(&path(&before, &newest)).await.json();
        sums_up(&later, &past, &whole);
        let changed = later["changed"].as_array().unwrap();
        assert!(changed.contains(&json!("pinned")), "{later}");
        assert!(changed.contains(&json!("input_hash")), "{later}");
        assert!(!changed.contains(&json!("method")), "{later}");
        // By the same method all of it comes from the transactions in between.
        assert_eq!(later["realized"]["elsewhere_usd"], "0", "{later}");
        let new = later["realized"]["disposals"].as_array().unwrap();
        let expected = rows.iter().filter(|row| row["ts"].as_i64() > new_since(&past));
        assert_eq!(
            new.iter().map(|row| &row["id"]).collect::<Vec<_>>(),
            expected.map(|row| &row["id"]).collect::<Vec<_>>()
        );

        // The other way round the same transactions are taken back.
        let earlier = app.get(&path(&newest, &before)).await.json();
        sums_up(&earlier, &whole, &past);
        assert_eq!(earlier["realized"]["elsewhere_usd"], "0", "{earlier}");
        assert_eq!(earlier["realized"]["disposals"], later["realized"]["disposals"]);

        let method = app.get(&path(&newest, &other)).await.json();
        sums_up(&method, &whole, &by_lifo);
        assert_eq!(method["changed"], json!(["method"]));
        assert!(method["realized"]["new_transactions_usd"].is_null(), "{method}");
        assert_eq!(method["realized"]["elsewhere_by"], elsewhere(&method, "method"));
    }
}

/// What a difference that no transaction explains is from; nothing when there is none.
fn elsewhere(diff: &Value, cause: &str) -> Value {
    if diff["realized"]["elsewhere_usd"] == "0" { json!([]) } else { json!([cause]) }
}

#[tokio::test]
async fn what_another_engine_changed_is_told_from_what_happened() {
    let app = TestApp::with_worker().await;
    let wallet = &demo_wallets()[0];
    let (old, _) = job(&app, wallet, json!({})).await;
    // As if an older engine had come to another gain; the hash of the input covers the version.
    let older = "update pnl_results set report = jsonb_set(jsonb_set(jsonb_set(report::jsonb, \
                 '{engine_version}', '\"0.0.1\"'), '{input_hash}', '\"0\"'), \
                 '{realized_gain_usd}', '\"-7.5\"')::json";
    assert_eq!(app.database.execute(older).await, 1);
    let (new, whole) = job(&app, wallet, json!({})).await;
    let path = |from: &str, to: &str| {
        format!("/api/v2/wallets/{wallet}/diff?chain=sol&from={from}&to={to}")
    };
    let expected = usd(&whole["realized_gain_usd"]).checked_add("7.5".parse().unwrap()).unwrap();
    let diff = app.get(&path(&old, &new)).await.json();
    assert_eq!(diff["changed"], json!(["engine_version", "input_hash"]));
    assert_eq!(diff["realized"]["new_disposals"], 0, "{diff}");
    assert_eq!(usd(&diff["realized"]["elsewhere_usd"]), expected);
    assert_eq!(diff["realized"]["elsewhere_by"], json!(["engine_version"]));
    // What the older engine made of a disposal cannot be computed here.
    let back = app.get(&path(&new, &old)).await.json();
    assert!(back["realized"]["new_transactions_usd"].is_null(), "{back}");
    assert_eq!(back["realized"]["elsewhere_by"], json!(["engine_version"]));
}

fn new_since(past: &Value) -> Option<i64> {
    let time = past["pinned"]["block_time"].as_str().unwrap();
    Some(chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp())
}

/// The hour in which a price is another one.
static DEARER_AT: OnceLock<i64> = OnceLock::new();

/// Replaced ledgers are kept for their readers alone.
fn short(settings: &mut Settings) {
    settings.retention.replaced_ledgers_hours = 0;
}

/// Prices as in the demo, but twice as high in one hour.
fn dearer(settings: &mut Settings) {
    let hour = DEARER_AT.get().unwrap().to_string();
    let [PriceSource::Csv { path }] = &mut settings.prices.sources[..] else { panic!("a folder") };
    let table = std::fs::read_to_string(path.join("sol_usd.csv")).unwrap();
    let row = |line: &str| match line.split_once(',') {
        Some((at, prices)) if at == hour => {
            let prices: Vec<_> =
                prices.split(',').map(|price| plus(&[&json!(price); 2]).to_string()).collect();
            format!("{at},{}\n", prices.join(","))
        }
        _ => format!("{line}\n"),
    };
    let dearer: String = table.lines().map(row).collect();
    assert_ne!(dearer, table);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dearer-prices");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("sol_usd.csv"), dearer).unwrap();
    *path = folder;
}

#[tokio::test]
async fn a_price_that_changed_is_named_with_what_it_does_to_the_number() {
    let first = TestApp::with_worker().await;
    let wallet = &demo_wallets()[0];
    let (old, before) = job(&first, wallet, json!({})).await;
    let page = first.get(&format!("/api/v2/wallets/{wallet}/ledger?chain=sol")).await.json();
    let rows = page["data"].as_array().unwrap();
    let swap = rows.iter().find(|row| row["kind"] == "swap").unwrap();
    let ts = swap["ts"].as_i64().unwrap();
    // SOL is twice as dear in the hour of the swap, to a process that takes the place of the first.
    first.drain.cancel();
    DEARER_AT.set(ts / 3600 * 3600).unwrap();
    let plan = Plan { role: Role::All, adjust: dearer, ..Plan::default() };
    let app = TestApp::beside(&first, plan).await;
    let (new, after) = job(&app, wallet, json!({})).await;
    assert_ne!(before["price_set_hash"], after["price_set_hash"]);
    let path = |from: &str, to: &str| {
        format!("/api/v2/wallets/{wallet}/diff?chain=sol&from={from}&to={to}")
    };
    let diff = app.get(&path(&old, &new)).await.json();
    sums_up(&diff, &before, &after);
    assert_eq!(diff["changed"], json!(["price_set_hash"]));
    assert_eq!(diff["ledgers"], json!({"from": "stored", "to": "stored"}));
    // Every event whose legs are valued otherwise now, and no other.
    let now = app.get(&format!("/api/v2/wallets/{wallet}/ledger?chain=sol")).await.json();
    let now = now["data"].as_array().unwrap();
    let expected: Vec<_> = rows.iter().zip(now).filter(|(old, new)| old != new).collect();
    assert!(!expected.is_empty());
    let events = &diff["prices"]["events"];
    assert_eq!(events["count"], expected.len());
    for (row, (old, new)) in events["listed"].as_array().unwrap().iter().zip(&expected) {
        assert_eq!((&row["event"], &row["ts"]), (&old["event"], &old["ts"]));
        let legs = old["legs"].as_array().unwrap().iter().zip(new["legs"].as_array().unwrap());
        let legs: Vec<_> = legs.filter(|(old, new)| old != new).collect();
        assert_eq!(row["legs"].as_array().unwrap().len(), legs.len());
        for (leg, (old, new)) in row["legs"].as_array().unwrap().iter().zip(legs) {
            for name in ["value_usd", "price_source", "price_time"] {
                assert_eq!((&leg["from"][name], &leg["to"][name]), (&old[name], &new[name]));
            }
            let more = usd(&new["value_usd"]).checked_sub(usd(&old["value_usd"])).unwrap();
            assert_eq!(usd(&leg["value_difference_usd"]), more);
        }
    }
    for name in ["only_from", "only_to", "moved"] {
        assert_eq!(diff["events"][name], json!({"count": 0, "listed": []}));
    }
    // Nothing happened since, so that all of it is from prices.
    for cause in ["events", "new_transactions"] {
        assert_eq!(diff["causes"][cause]["total_pnl_usd"], "0", "{diff}");
    }
    assert_ne!(diff["causes"]["event_prices"]["total_pnl_usd"], "0", "{diff}");
    assert_eq!(
        diff["realized"]["elsewhere_usd"],
        diff["causes"]["event_prices"]["realized_gain_usd"]
    );
    assert_eq!(diff["realized"]["elsewhere_by"], elsewhere(&diff, "event_prices"));

    // A third analysis replaces the second as well; the first is still there, an hour later, too.
    let (newest, _) = job(&app, wallet, json!({})).await;
    let hour_later = "update ledgers set superseded_at = superseded_at - interval '1 hour'
        where state = 'superseded'";
    assert_eq!(app.database.execute(hour_later).await, 2);
    let third = app.get(&path(&old, &newest)).await.json();
    assert_eq!(third["ledgers"], json!({"from": "stored", "to": "stored"}));
    for name in ["prices", "events", "causes"] {
        assert_eq!(third[name], diff[name], "{name}");
    }

    // A process that keeps them for readers alone says nothing of single prices.
    let plan = Plan { role: Role::Api, adjust: short, ..Plan::default() };
    let app = TestApp::beside(&app, plan).await;
    let later = app.get(&path(&old, &newest)).await.json();
    sums_up(&later, &before, &after);
    assert_eq!(later["ledgers"], json!({"from": "not_stored", "to": "stored"}));
    for name in ["prices", "events", "causes"] {
        assert!(later[name].is_null(), "{later}");
    }
    assert_eq!(later["realized"]["elsewhere_usd"], diff["realized"]["elsewhere_usd"]);
    assert_eq!(later["realized"]["elsewhere_by"], elsewhere(&later, "price_set_hash"));
}

#[tokio::test]
async fn a_history_that_was_cut_is_told_from_prices() {
    let app = TestApp::with_worker().await;
    let wallet = &demo_wallets()[0];
    let (all, whole) = job(&app, wallet, json!({})).await;
    let (newest, cut) = job(&app, wallet, json!({"max_transactions": 5})).await;
    let path = format!("/api/v2/wallets/{wallet}/diff?chain=sol&from={all}&to={newest}");
    let diff = app.get(&path).await.json();
    sums_up(&diff, &whole, &cut);
    let changed = diff["changed"].as_array().unwrap();
    assert!(changed.contains(&json!("truncated")), "{diff}");
    assert_eq!(diff["coverage"]["from"], whole["coverage"]);
    assert_eq!(diff["coverage"]["to"]["truncated"]["reason"], "max_transactions");
    assert_eq!(diff["ledgers"], json!({"from": "stored", "to": "stored"}));
    assert_ne!(diff["realized"]["elsewhere_usd"], "0", "{diff}");
    assert_eq!(diff["realized"]["elsewhere_by"], json!(["events"]));
    assert_ne!(diff["events"]["only_from"]["count"], 0, "{diff}");
    // Where it is gone the cut is all that is known.
    let gone = "delete from ledgers where state = 'superseded'";
    assert_eq!(app.database.execute(gone).await, 1);
    let diff = app.get(&path).await.json();
    sums_up(&diff, &whole, &cut);
    assert_eq!(diff["ledgers"], json!({"from": "stored", "to": "not_stored"}));
    assert_eq!(diff["realized"]["elsewhere_by"], json!(["truncated"]));
}

#[tokio::test]
async fn a_job_without_the_wallet_is_named() {
    let app = TestApp::with_worker().await;
    let wallets = demo_wallets();
    let (first, _) = job(&app, &wallets[0], json!({})).await;
    let (second, _) = job(&app, &wallets[1], json!({})).await;
    let base = format!("/api/v2/wallets/{}/diff?chain=sol", wallets[0]);
    let path = format!("{base}&from={first}&to={second}");
    let problem = app.get(&path).await.problem(404, "unknown-result");
    assert!(problem["detail"].as_str().unwrap().contains(&second), "{problem}");
    let none = "00000000-0000-4000-8000-000000000000";
    app.get(&format!("{base}&from={none}&to={first}")).await.problem(404, "unknown-job");
}
