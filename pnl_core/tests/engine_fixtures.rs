//! Every case of the recorded accounting fixtures, against figures of an independent exact
//! program and of the peers it was confirmed with.
//!
//! Dollars must agree within 1e-30 USD, quantities, lots and holding times exactly, metrics to the
//! last of their 18 places.
#![allow(clippy::print_stdout, reason = "a skip and the number of cases must be seen")]
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use std::path::PathBuf;

use num_bigint::BigInt;
use pnl_core::document;
use serde_json::Value;

/// The folder with the fixtures; `None` is a loud skip, and a failure where CI runs.
fn fixtures() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("TEST_FIXTURES_DIR") else {
        assert!(std::env::var_os("CI").is_none(), "TEST_FIXTURES_DIR must be set in CI");
        println!("SKIPPED: TEST_FIXTURES_DIR is not set");
        return None;
    };
    Some(PathBuf::from(folder).join("accounting"))
}

/// The cases of a file.
fn cases(path: &PathBuf) -> Vec<Value> {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// A figure as numerator and denominator: decimal text, `n/d`, or an object with either.
fn fraction(figure: &Value) -> Option<(BigInt, BigInt)> {
    let text = match figure {
        Value::Null => return None,
        Value::String(text) => text,
        Value::Object(forms) => {
            let form =
                ["frac", "dec40", "dec"].into_iter().find_map(|name| forms.get(name)?.as_str());
            form.unwrap()
        }
        other => panic!("no figure: {other}"),
    };
    if let Some((numerator, denominator)) = text.split_once('/') {
        return Some((numerator.parse().unwrap(), denominator.parse().unwrap()));
    }
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let denominator = BigInt::from(10u8).pow(places.len() as u32);
    Some((format!("{whole}{places}").parse().unwrap(), denominator))
}

/// Whether two figures differ by at most 10^-`places`, or both are unknown.
fn close(got: &Value, expected: &Value, places: u32) -> bool {
    match (fraction(got), fraction(expected)) {
        (None, None) => true,
        (Some((a, b)), Some((c, d))) => {
            let difference = a * &d - c * &b;
            difference.magnitude() * BigInt::from(10u8).pow(places).magnitude()
                <= (b * d).magnitude().clone()
        }
        _ => false,
    }
}

fn list<'a>(object: &'a Value, name: &str) -> &'a Vec<Value> {
    object[name].as_array().unwrap_or_else(|| panic!("{name} is no list"))
}

/// What differs between an answer and the expectation of a case.
fn differences(got: &Value, expected: &Value) -> Vec<String> {
    if let Some(error) = expected.get("error") {
        let agrees = got.get("error").is_some();
        return if agrees { vec![] } else { vec![format!("must be refused: {error}")] };
    }
    if let Some(error) = got.get("error") {
        return vec![format!("refused: {error}")];
    }
    let mut wrong = Vec::new();
    let mut check = |what: String, agrees: bool| {
        if !agrees {
            wrong.push(what);
        }
    };
    let (ours, theirs) = (list(got, "disposals"), list(expected, "disposals"));
    check(format!("{} disposals, not {}", ours.len(), theirs.len()), ours.len() == theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        let event = &theirs["event"];
        for name in ["event", "leg", "asset", "qty", "unknown_qty", "unmatched_qty"] {
            check(format!("{event}: {name}"), ours[name] == theirs[name]);
        }
        for name in ["gain", "basis", "proceeds"] {
            check(format!("{event}: {name}"), close(&ours[name], &theirs[name], 30));
        }
        let (pieces, rows) = (list(ours, "matches"), list(theirs, "matches"));
        check(format!("{event}: number of matches"), pieces.len() == rows.len());
        for (piece, row) in pieces.iter().zip(rows) {
            let agrees = piece["lot"] == row[0]
                && piece["qty"] == row[1]
                && close(&piece["basis"], &row[2], 18)
                && piece["hold_s"] == row[3];
            check(format!("{event}: match {row}"), agrees);
        }
    }
    let key = |lot: &Value| ["wallet", "asset", "lot"].map(|name| lot[name].to_string());
    let sorted = |result: &Value| {
        let mut lots = list(result, "lots").clone();
        lots.sort_by_key(key);
        lots
    };
    let (ours, theirs) = (sorted(got), sorted(expected));
    check(format!("{} lots, not {}", ours.len(), theirs.len()), ours.len() == theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let agrees = key(ours) == key(theirs)
            && ours["qty"] == theirs["qty"]
            && close(&ours["basis"], &theirs["basis"], 30);
        check(format!("lot {theirs}"), agrees);
    }
    for part in ["totals", "conservation"] {
        // These are stated at 18 places.
        for (name, figure) in expected[part].as_object().unwrap() {
            let agrees = match figure {
                Value::Array(_) => got[part][name] == *figure,
                figure => close(&got[part][name], figure, 18),
            };
            check(format!("{part}.{name}"), agrees);
        }
    }
    wrong
}

#[test]
fn every_case_of_the_fixtures_agrees() {
    let Some(folder) = fixtures() else { return };
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let (mut plain, mut with_options, mut failed) = (0, 0, Vec::new());
    for path in files.iter().filter(|path| !path.ends_with("metrics.json")) {
        for case in cases(path) {
            let has_options =
                case["options"].as_object().is_some_and(|options| !options.is_empty());
            *(if has_options { &mut with_options } else { &mut plain }) += 1;
            let got = serde_json::from_str(&document::answer(&case.to_string())).unwrap();
            for difference in differences(&got, &case["expected"]) {
                failed.push(format!("{}: {}: {difference}", path.display(), case["name"]));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    println!("{plain} cases without options and {with_options} with options agree");
    assert!(plain + with_options >= 166, "the fixtures are not complete");
}

#[test]
fn every_case_of_the_metrics_agrees_to_the_last_place() {
    let Some(folder) = fixtures() else { return };
    let cases = cases(&folder.join("metrics.json"));
    assert!(cases.len() >= 12, "the fixtures are not complete");
    for case in cases {
        let got: Value = serde_json::from_str(&document::answer(&case.to_string())).unwrap();
        assert_eq!(got["metrics"], case["expected"]["metrics"], "{}", case["name"]);
    }
}
