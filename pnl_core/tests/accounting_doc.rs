//! Every example of docs/accounting.md computes what it says.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use pnl_core::document::answer;
use serde_json::{Value, json};

/// The figures that `expect` names, taken from an answer; of the others as many as `expected` has.
fn found(answer: &Value, name: &str, expected: &Value) -> Value {
    let column = |rows: &str, member: &str| {
        answer[rows].as_array().map(|rows| rows.iter().map(|row| row[member].clone()).collect())
    };
    match name {
        "code" | "error" => answer[name].clone(),
        "gains" => column("disposals", "gain").unwrap_or_default(),
        "bases" => column("disposals", "basis").unwrap_or_default(),
        "lots" => {
            let rows = answer["lots"].as_array().cloned().unwrap_or_default();
            rows.iter().map(|lot| json!([lot["lot"], lot["qty"], lot["basis"]])).collect()
        }
        "metrics" | "bounds" | "coverage_score" => {
            let members = expected.as_object().unwrap().keys();
            members.map(|member| (member.clone(), answer[name][member].clone())).collect()
        }
        total => answer["totals"][total].clone(),
    }
}

#[test]
fn every_example_of_the_rules_computes_what_it_says() {
    let page = include_str!("../../docs/accounting.md");
    let blocks: Vec<_> = page.split("```json\n").skip(1).collect();
    assert!(blocks.len() >= 20, "the page has lost its examples");
    let mut wrong = Vec::new();
    for block in blocks {
        let text = block.split("```").next().unwrap();
        let mut example: Value =
            serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let expected = example.as_object_mut().unwrap().remove("expect").unwrap();
        for event in example["events"].as_array_mut().unwrap() {
            shorten(event);
        }
        let answered: Value = serde_json::from_str(&answer(&example.to_string())).unwrap();
        for (name, figure) in expected.as_object().unwrap() {
            let found = found(&answered, name, figure);
            if found != *figure {
                wrong.push(format!("{name} is {found}, not {figure}, in {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The page leaves out `decimals` where base units are whole units.
fn shorten(leg: &mut Value) {
    let Some(members) = leg.as_object_mut() else { return };
    if members.contains_key("qty") {
        members.entry("decimals").or_insert(json!(0));
    }
    for side in ["out", "in", "fee"] {
        if let Some(leg) = members.get_mut(side) {
            shorten(leg);
        }
    }
}
