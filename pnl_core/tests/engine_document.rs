//! Documents: what is read, what is refused and by which name, and what is written.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use pnl_core::document::{Document, EventJson, ExportHead, answer};
use pnl_core::engine::{Engine, EngineError, Options};
use pnl_core::{Address, Chain, Method};
use serde_json::{Value, json};

fn buy() -> Value {
    json!({"id": "b", "ts": 1, "kind": "acquire", "asset": "T", "qty": "2", "decimals": 0,
           "value": "4"})
}

/// `buy()` with one member changed.
fn changed(name: &str, value: Value) -> Value {
    let mut event = buy();
    event[name] = value;
    event
}

fn answer_of(events: &[Value]) -> Value {
    let document = json!({"method": "fifo", "events": events});
    serde_json::from_str(&answer(&document.to_string())).unwrap()
}

#[test]
fn figures_are_read_by_their_text_and_never_through_a_float() {
    // As a float, either figure would lose its last digits.
    let document = r#"{"method":"fifo","events":[
        {"id":"a","ts":"1","kind":"acquire","asset":"T","qty":18446744073709551617,"decimals":0,
         "value":1000000000000000.000000000000000001},
        {"id":"b","ts":2,"kind":"acquire","asset":"U","qty":"3","decimals":0,"price":1e-7}]}"#;
    let got: Value = serde_json::from_str(&answer(document)).unwrap();
    assert_eq!(got["lots"][0]["qty"], "18446744073709551617");
    assert_eq!(got["lots"][0]["basis"], "1000000000000000.000000000000000001");
    assert_eq!(got["lots"][1]["basis"], "0.0000003");
}

#[test]
fn an_answer_bounds_what_the_document_leaves_open() {
    // One unit of unknown basis, at most as dear as the dearest price until it is sold: 5, stated by a swap.
    let came =
        json!({"id": "a", "ts": 1, "kind": "transfer_in", "asset": "T", "qty": 10, "decimals": 1});
    let swap = json!({"id": "x", "ts": 2, "kind": "swap",
                      "out": {"asset": "S", "qty": 1, "decimals": 0},
                      "in": {"asset": "T", "qty": 10, "decimals": 1, "value": "5"}});
    let money = json!({"id": "m", "ts": 0, "kind": "acquire", "asset": "S", "qty": 1, "decimals": 0, "value": "4"});
    let sale = json!({"id": "s", "ts": 3, "kind": "dispose", "asset": "T", "qty": 10, "decimals": 1, "value": "3"});
    let later = json!({"id": "z", "ts": 4, "kind": "dispose", "asset": "T", "qty": 10, "decimals": 1, "value": "90"});
    let got = answer_of(&[came.clone(), money.clone(), swap.clone(), sale.clone()]);
    let bounds = json!({"known": "1", "min": "-1", "min_assumed": true, "max": "4"});
    assert_eq!(got["bounds"], bounds);
    let score = json!({"disposals": 2, "priced": 2, "matched": 1, "known": 1,
                       "priced_share": "1", "matched_share": "0.5", "score": "0.5"});
    assert_eq!(got["coverage_score"], score);
    let got = answer_of(&[came, money, swap, sale, later]);
    assert_eq!(got["bounds"]["max"], "89", "the later sale is of the known lot, 90 less 5");
    // More sold than seen coming: then no sale of it is known.
    let one = json!({"id": "a", "ts": 1, "kind": "acquire", "asset": "T", "qty": 1, "decimals": 0, "value": "2"});
    let sold = |id: &str, ts: u8| {
        json!({"id": id, "ts": ts, "kind": "dispose", "asset": "T", "qty": 1,
                                        "decimals": 0, "value": "3"})
    };
    let got = answer_of(&[one, sold("s", 2), sold("t", 3)]);
    assert_eq!(
        got["coverage_score"],
        json!({"disposals": 2, "priced": 2, "matched": 1, "known": 0,
                       "priced_share": "1", "matched_share": "0.5", "score": "0"})
    );
    assert_eq!(got["bounds"], json!({"known": "1", "min": "0", "min_assumed": true, "max": "6"}));
}

#[test]
fn an_answer_has_the_members_of_the_protocol_and_figures_at_full_places() {
    let sale = json!({"id": "s", "ts": 2, "kind": "dispose", "asset": "T", "qty": 1, "decimals": 0,
                      "value": "0.000000000000000000000000000000000001"});
    let got = answer_of(&[buy(), sale]);
    let names: Vec<_> = got.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names,
        [
            "bounds",
            "by_asset",
            "conservation",
            "coverage_score",
            "disposals",
            "lots",
            "method",
            "metrics",
            "options",
            "totals"
        ]
    );
    assert_eq!(
        got["disposals"],
        json!([{"event": "s", "leg": "main", "asset": "T", "wallet": "", "ts": 2, "qty": "1",
                "proceeds": "0.000000000000000000000000000000000001", "basis": "2",
                "gain": "-1.999999999999999999999999999999999999", "matched_qty": "1",
                "unknown_qty": "0", "unmatched_qty": "0", "unknown_proceeds": "0",
                "unmatched_proceeds": "0",
                "matches": [{"lot": "b", "qty": "1", "acquired_ts": 1, "hold_s": 1, "basis": "2",
                             "proceeds": "0.000000000000000000000000000000000001",
                             "gain": "-1.999999999999999999999999999999999999"}]}])
    );
    assert_eq!(got["conservation"]["ok"], true);
}

#[test]
fn wrong_documents_are_refused_and_the_member_is_named() {
    let swap = json!({"id": "x", "ts": 1, "kind": "swap", "out": {"asset": "T", "qty": 1,
                      "decimals": 0}, "in": {"asset": "U", "qty": 1, "decimals": 0},
                      "fee_side": "left"});
    for (events, code, named) in [
        (vec![buy(), buy()], "duplicate-id", "b"),
        (vec![changed("qty", json!("-1"))], "bad-event", "event b: negative qty"),
        (vec![changed("qty", json!("1.5"))], "bad-event", "raw integer"),
        (vec![changed("qty", json!(null))], "bad-event", "qty is missing"),
        (vec![changed("qty", json!("1".repeat(80)))], "bad-event", "qty: amount out of range"),
        (vec![changed("value", json!("4 USD"))], "bad-event", "value"),
        (vec![changed("value", json!("-4"))], "bad-event", "negative value"),
        (vec![changed("value", json!(true))], "bad-event", "value must be a number"),
        (vec![changed("decimals", json!(-1))], "bad-event", "decimals must be an integer"),
        (vec![changed("ts", json!("soon"))], "bad-event", "ts must be an integer"),
        (vec![changed("kind", json!("gift"))], "bad-event", "unknown kind \"gift\""),
        (vec![changed("asset", json!(null))], "bad-event", "asset is missing"),
        (vec![changed("fee", json!("1"))], "bad-event", "fee must be"),
        (vec![changed("fee", json!({"qty": 1}))], "bad-event", "asset is missing"),
        (vec![swap], "bad-event", "fee_side must be auto, in or out"),
    ] {
        let got = answer_of(&events);
        assert_eq!(got["code"], code, "{got}");
        assert!(got["error"].as_str().unwrap().contains(named), "{got} does not name {named}");
    }
}

#[test]
fn what_stands_twice_or_is_no_object_is_refused() {
    let event =
        r#"{"id":"a","ts":1,"kind":"acquire","asset":"T","qty":2,"decimals":0,"value":"4"}"#;
    let sale = r#"{"id":"s","ts":2,"kind":"dispose","asset":"T","qty":1,"decimals":0,"value":"4"}"#;
    let listed = r#"["a",1,null,null,"acquire","T",2,0,null,"4",null,null,null,null,null]"#;
    let fifo = r#""method":"fifo""#;
    let lots = |lots: &str| {
        format!(r#"{{"method":"specific","options":{{"lots":{lots}}},"events":[{event},{sale}]}}"#)
    };
    for (document, named) in [
        (format!(r#"{{{fifo},{fifo},"events":[]}}"#), "duplicate field `method`"),
        (
            format!(r#"{{{fifo},"options":{{"scope":"wallet","scope":"global"}},"events":[]}}"#),
            "duplicate field `scope`",
        ),
        (
            format!(r#"{{{fifo},"prices":{{"T":"1","T":"5"}},"events":[{event}]}}"#),
            "duplicate field `T`",
        ),
        (lots(r#"{"s":[],"s":[{"lot":"a","raw":1}]}"#), "duplicate field `s`"),
        (lots(r#"{"s":[{"lot":"b","lot":"a","raw":1}]}"#), "duplicate field `lot`"),
        (format!(r#"[null,"fifo",null,null,[{event}]]"#), "expected an object"),
        (format!(r#"{{{fifo},"events":[{listed}]}}"#), "expected an object"),
    ] {
        let got: Value = serde_json::from_str(&answer(&document)).unwrap();
        assert_eq!(got["code"], "not-a-document", "{got}");
        assert!(got["error"].as_str().unwrap().contains(named), "{got} does not name {named}");
    }
    for (raw, code) in
        [("1", None), ("1.0", Some("bad-option-value")), ("1e0", Some("bad-option-value"))]
    {
        let got = answer(&lots(&format!(r#"{{"s":[{{"lot":"a","raw":{raw}}}]}}"#)));
        let got: Value = serde_json::from_str(&got).unwrap();
        assert_eq!(got["code"].as_str(), code, "{raw}: {got}");
    }
    // More than 64 bits: as a float it would lose its last digits, and here it is more than leaves.
    let huge = lots(r#"{"s":[{"lot":"a","raw":18446744073709551617}]}"#);
    let huge: Value = serde_json::from_str(&answer(&huge)).unwrap();
    assert_eq!(huge["code"], "chosen-too-much", "{huge}");
    let deep = format!(
        "{{{fifo},\"options\":{}{},\"events\":[]}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(answer(&deep).contains("\"code\""));
}

#[test]
fn a_swap_can_ask_for_the_rule_whatever_the_options_name() {
    let basis = |fee_side: &str| {
        let swap = json!({"id": "x", "ts": 2, "kind": "swap", "value": "3", "fee_side": fee_side, "fee": {"usd": "1"},
            "out": {"asset": "S", "qty": 1, "decimals": 0}, "in": {"asset": "T", "qty": 1, "decimals": 0}});
        let options = json!({"quote_assets": ["S"], "swap_fee_side": "out"});
        let document = json!({"method": "fifo", "options": options, "events": [swap]});
        let got: Value = serde_json::from_str(&answer(&document.to_string())).unwrap();
        got["lots"][0]["basis"].clone()
    };
    assert_eq!(basis("auto"), "4", "on the side that is no quote asset");
    assert_eq!((basis(""), basis("out")), (json!("3"), json!("3")), "as the options say");
}

#[test]
fn histories_that_contradict_themselves_are_refused() {
    let transfer = |id: &str, kind: &str, qty: u32| json!({"id": id, "ts": 2, "kind": kind, "asset": "T", "qty": qty, "decimals": 0, "link": "m"});
    for (events, code) in [
        (
            vec![
                buy(),
                json!({"id": "o", "ts": 2, "kind": "fee", "asset": "T", "qty": 1,
                            "decimals": 6}),
            ],
            "decimals-differ",
        ),
        (vec![transfer("i", "transfer_in", 1)], "link-unknown"),
        (vec![transfer("o", "transfer_out", 1), transfer("p", "transfer_out", 1)], "link-reused"),
        (vec![transfer("o", "transfer_out", 1), transfer("i", "transfer_in", 2)], "link-mismatch"),
        (
            vec![
                changed("value", json!("5".repeat(40))),
                json!({"id": "c", "ts": 2, "kind": "acquire", "asset": "T", "qty": 1, "decimals": 0,
                     "value": "5".repeat(41)}),
            ],
            "amount-out-of-range",
        ),
    ] {
        assert_eq!(answer_of(&events)["code"], code);
    }
}

#[test]
fn methods_and_options_that_are_not_there_are_refused_by_name() {
    for (members, code, named) in [
        (
            json!({"method": "lifo", "options": {"lots": {"s": [{"lot": "b", "raw": 1}]}}}),
            "option-contradicts-method",
            "\"lots\" contradicts the method lifo",
        ),
        (json!({"method": "FIFO"}), "unknown-method", "\"FIFO\""),
        (json!({"method": "fifo", "options": {"scope": "moon"}}), "bad-option-value", "\"scope\""),
        (json!({"method": "fifo", "options": {"speed": 1}}), "unknown-option", "\"speed\""),
        (json!({"method": "fifo", "prices": {"T": "x"}}), "bad-price", "price of T"),
        (json!({}), "not-a-document", "method"),
    ] {
        let mut document = members;
        document["events"] = json!([buy()]);
        let got: Value = serde_json::from_str(&answer(&document.to_string())).unwrap();
        assert_eq!(got["code"], code, "{got}");
        assert!(got["error"].as_str().unwrap().contains(named), "{got}");
    }
    assert!(answer("{").contains("not-a-document"));
}

#[test]
fn an_engine_that_refused_an_event_has_no_result() {
    let document = json!({"method": "fifo", "events": [
        {"id": "i", "ts": 1, "kind": "transfer_in", "asset": "T", "qty": 1, "decimals": 0, "link": "m"},
        {"id": "b", "ts": 0, "kind": "acquire", "asset": "T", "qty": 1, "decimals": 0}]});
    let [earlier, link] = &Document::read(&document.to_string()).unwrap().events[..] else {
        panic!("two events")
    };
    let mut engine = Engine::new(Method::Fifo, Options::default()).unwrap();
    let refused = engine.apply(link).unwrap_err();
    assert!(matches!(refused, EngineError::LinkUnknown { .. }));
    assert_eq!(engine.apply(earlier), Err(refused.clone()), "the error stays");
    assert_eq!(engine.finish(None), Err(refused));

    let mut engine = Engine::new(Method::Fifo, Options::default()).unwrap();
    engine.apply(&pnl_core::event::Event { ts: 1, ..earlier.clone() }).unwrap();
    assert_eq!(engine.apply(earlier).unwrap_err().code(), "events-out-of-order");
}

/// A document with every kind of event and of fee.
fn all_kinds() -> Value {
    let leg = |asset: &str, qty: u32| {
        json!({"asset": asset, "qty": qty.to_string(), "decimals": 2,
                                             "value": "7.5"})
    };
    let event = |id: &str, kind: &str, more: Value| {
        let mut event = leg("T", 3);
        let own = json!({"id": id, "ts": 5, "wallet": "w", "kind": kind});
        for part in [own, more] {
            event.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        event
    };
    json!({"method": "fifo", "options": {"quote_assets": ["S"]}, "prices": {"T": "2"}, "events": [
        event("a", "acquire", json!({"fee": leg("S", 1)})),
        event("i", "income", json!({"value": null})),
        event("d", "dispose", json!({"fee": [{"usd": "-0.5"}, leg("S", 1)]})),
        event("o", "transfer_out", json!({"link": "m"})),
        event("n", "transfer_in", json!({"link": "m", "wallet": "v"})),
        event("t", "transfer_out", json!({})),
        event("f", "fee", json!({})),
        {"id": "x", "ts": 6, "kind": "swap", "out": leg("S", 4), "in": leg("T", 2), "value": "9",
         "fee_side": "out"},
        {"id": "y", "ts": 6, "kind": "swap", "out": leg("T", 1),
         "in": {"asset": "U", "qty": "1", "decimals": 0}},
    ]})
}

#[test]
fn a_document_that_is_written_reads_back_as_it_was() {
    let document = Document::read(&all_kinds().to_string()).unwrap();
    let written = serde_json::to_string(&document).unwrap();
    assert_eq!(Document::read(&written).unwrap(), document);
    assert_eq!(answer(&written), answer(&all_kinds().to_string()));
    let options = &serde_json::from_str::<Value>(&written).unwrap()["options"];
    assert_eq!(options["oversold"], "exclude", "options are spelled out");
}

#[test]
fn an_export_streams_event_by_event_into_one_document() {
    let document = Document::read(&all_kinds().to_string()).unwrap();
    let wallet = Address::from_chain_data("w");
    let head = ExportHead {
        method: document.method,
        options: &document.options,
        prices: document.prices.as_ref().unwrap(),
        wallet: &wallet,
        chain: Chain::Solana,
        pinned: json!({"block": 7}),
        input_hash: "abc",
    };
    let events: Vec<_> = document
        .events
        .iter()
        .map(|event| serde_json::to_string(&EventJson::from(event)).unwrap())
        .collect();
    let closing = ExportHead::<Value>::closing(&[json!({"event": "z"})]).unwrap();
    let text = head.opening().unwrap() + &events.join(",") + &closing;
    assert_eq!(Document::read(&text).unwrap(), document);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["pinned"]["block"], 7);
    assert_eq!(value["excluded"][0]["event"], "z");
    assert!(value["events"].as_array().unwrap().iter().all(|event| event.get("price").is_none()));
}
