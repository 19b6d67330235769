//! The cost-basis methods on histories worked by hand, and lots named for a disposal.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use pnl_core::document::{Document, answer};
use serde_json::{Value, json};

fn trade(id: &str, ts: i64, kind: &str, qty: u64, value: &str) -> Value {
    json!({"id": id, "ts": ts, "kind": kind, "asset": "T", "qty": qty, "decimals": 0, "value": value})
}

/// | time | event | |
/// |---|---|---|
/// | 1 | buy 10 for 100 | 10 each |
/// | 2 | buy 10 for 300 | 30 each |
/// | 3 | buy 10 for 200 | 20 each |
/// | 4 | sell 15 for 600 | 40 each |
fn history() -> Vec<Value> {
    vec![
        trade("a", 1, "acquire", 10, "100"),
        trade("b", 2, "acquire", 10, "300"),
        trade("c", 3, "acquire", 10, "200"),
        trade("s", 4, "dispose", 15, "600"),
    ]
}

fn answer_by(method: &str, options: &Value, events: &[Value]) -> Value {
    let document = json!({"method": method, "options": options, "events": events});
    serde_json::from_str(&answer(&document.to_string())).unwrap()
}

/// Lot and quantity of every match of every disposal.
fn matches(answer: &Value) -> Vec<(String, String)> {
    let disposals = answer["disposals"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let pieces = disposals.iter().flat_map(|disposal| disposal["matches"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    pieces.map(|piece| (text(&piece["lot"]), text(&piece["qty"]))).collect()
}

fn pieces(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(lot, qty)| ((*lot).to_owned(), (*qty).to_owned())).collect()
}

#[test]
fn every_method_takes_its_own_lots() {
    for (method, lots, basis, gain) in [
        // 100 + 5 * 30.
        ("fifo", [("a", "10"), ("b", "5")], "250", "350"),
        // 200 + 5 * 30.
        ("lifo", [("c", "10"), ("b", "5")], "350", "250"),
        // 300 + 5 * 20.
        ("hifo", [("b", "10"), ("c", "5")], "400", "200"),
        // 15 of 30 that cost 600 together; the lots are the dates.
        ("average", [("a", "10"), ("b", "5")], "300", "300"),
        ("specific", [("a", "10"), ("b", "5")], "250", "350"),
    ] {
        let got = answer_by(method, &json!({}), &history());
        assert_eq!(matches(&got), pieces(&lots), "{method}");
        let disposal = &got["disposals"][0];
        assert_eq!(
            (&disposal["basis"], &disposal["gain"]),
            (&json!(basis), &json!(gain)),
            "{method}"
        );
    }
}

#[test]
fn average_cost_moves_with_every_purchase() {
    let mut events = history();
    events.extend([trade("d", 5, "acquire", 5, "200"), trade("t", 6, "dispose", 10, "250")]);
    let got = answer_by("average", &json!({}), &events);
    // 15 at 20 and 5 at 40 are 20 at 25; what was sold before keeps its basis of 300.
    assert_eq!(got["disposals"][1]["basis"], "250");
    assert_eq!(got["totals"]["remaining_basis"], "250");
}

#[test]
fn hifo_compares_cost_with_fees_or_without() {
    let mut events = history();
    events[0]["fee"] = json!({"usd": "250"});
    let by = |key: &str| matches(&answer_by("hifo", &json!({"hifo_key": key}), &events));
    assert_eq!(by("unit_cost"), pieces(&[("a", "10"), ("b", "5")]));
    assert_eq!(by("spot"), pieces(&[("b", "10"), ("c", "5")]));
}

/// Values below 1e-36 USD are nothing in money, and still the higher price is the higher cost.
#[test]
fn hifo_tells_prices_apart_that_no_dollar_figure_shows() {
    let buy = |id: &str, price: &str| {
        json!({"id": id, "ts": 1, "kind": "acquire", "asset": "T", "qty": 7, "decimals": 18,
               "price": price})
    };
    let mut events: Vec<_> =
        [("a", "1e-25"), ("b", "3e-25"), ("c", "2e-25")].map(|(id, price)| buy(id, price)).into();
    events.push(
        json!({"id": "s", "ts": 2, "kind": "dispose", "asset": "T", "qty": 21, "decimals": 18}),
    );
    let got = answer_by("hifo", &json!({}), &events);
    assert_eq!(got["totals"]["cost_in"], "0");
    assert_eq!(matches(&got), pieces(&[("b", "7"), ("c", "7"), ("a", "7")]));
}

#[test]
fn a_moved_lot_keeps_its_place_in_every_method() {
    let leg = |id: &str, ts: i64, wallet: &str, kind: &str| {
        json!({"id": id, "ts": ts, "wallet": wallet, "kind": kind, "asset": "T", "qty": 4, "decimals": 0,
               "link": "m"})
    };
    let buy = |id: &str, ts: i64, wallet: &str, value: &str| {
        let mut event = trade(id, ts, "acquire", 4, value);
        event["wallet"] = json!(wallet);
        event
    };
    let mut sale = trade("s", 9, "dispose", 6, "60");
    sale["wallet"] = json!("w");
    let events = [
        buy("a", 1, "v", "12"),
        buy("b", 2, "w", "40"),
        buy("c", 3, "w", "8"),
        leg("o", 4, "v", "transfer_out"),
        leg("i", 4, "w", "transfer_in"),
        sale,
    ];
    for (method, expected) in [
        ("fifo", [("a", "4"), ("b", "2")]),
        ("lifo", [("c", "4"), ("b", "2")]),
        ("hifo", [("b", "4"), ("a", "2")]),
        ("average", [("a", "4"), ("b", "2")]),
    ] {
        assert_eq!(matches(&answer_by(method, &json!({}), &events)), pieces(&expected), "{method}");
    }
}

#[test]
fn named_lots_leave_first_and_the_rest_by_age() {
    let lots = json!({"lots": {"s": [{"lot": "c", "raw": "4"}, {"lot": "b", "raw": "2"}]}});
    let got = answer_by("specific", &lots, &history());
    assert_eq!(matches(&got), pieces(&[("c", "4"), ("b", "2"), ("a", "9")]));
    // 4 * 20 + 2 * 30 + 9 * 10.
    assert_eq!(got["disposals"][0]["basis"], "230");
    assert_eq!(got["options"], lots);
    let document = json!({"method": "specific", "options": lots, "events": history()}).to_string();
    let document = Document::read(&document).unwrap();
    let written = serde_json::to_string(&document).unwrap();
    assert_eq!(Document::read(&written).unwrap(), document);
}

/// A choice is for what leaves by the event itself; the fee paid with it is matched by age.
#[test]
fn a_choice_covers_transfers_and_swaps_but_no_fees() {
    let mut events = history();
    events[3] = json!({"id": "s", "ts": 4, "kind": "swap", "value": "600", "decimals": 0,
        "out": {"asset": "T", "qty": 3, "decimals": 0}, "in": {"asset": "U", "qty": 1, "decimals": 0},
        "fee": {"asset": "T", "qty": 1, "decimals": 0, "value": "40"}});
    let mut out = trade("o", 5, "transfer_out", 9, "0");
    out["link"] = json!("m");
    let mut back = trade("i", 5, "transfer_in", 9, "0");
    back["link"] = json!("m");
    events.extend([out, back, trade("t", 6, "dispose", 1, "40")]);
    let lots = json!({"lots": {"s": [{"lot": "c", "raw": 3}], "o": [{"lot": "a", "raw": 9}],
                               "t": [{"lot": "a", "raw": 1}]}});
    let got = answer_by("specific", &lots, &events);
    assert_eq!(matches(&got), pieces(&[("c", "3"), ("a", "1"), ("a", "1")]));
}

#[test]
fn choices_that_cannot_be_met_are_refused_by_name() {
    for (lots, code, named) in [
        (json!({"s": [{"lot": "b", "raw": 11}]}), "chosen-lot-not-held", "1 more of lot b"),
        (json!({"s": [{"lot": "z", "raw": 1}]}), "chosen-lot-not-held", "lot z"),
        (
            json!({"s": [{"lot": "a", "raw": 9}, {"lot": "b", "raw": 7}]}),
            "chosen-too-much",
            "lot b",
        ),
        (json!({"x": [{"lot": "a", "raw": 1}]}), "unknown-choice", "no event x"),
        (json!({"a": [{"lot": "b", "raw": 1}]}), "unknown-choice", "no event a"),
    ] {
        let got = answer_by("specific", &json!({"lots": lots}), &history());
        assert_eq!(got["code"], code, "{got}");
        let error = got["error"].as_str().unwrap();
        assert!(error.contains(named) && error.contains("\"lots\""), "{error}");
    }
}
