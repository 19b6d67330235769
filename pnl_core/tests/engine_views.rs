//! State, windows, comparison and explanation hold for every history.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod random_history;

use std::collections::BTreeMap;

use pnl_core::document::Document;
use pnl_core::engine::{DisposalLeg, Engine, Options, Records, Scope};
use pnl_core::event::Event;
use pnl_core::what_if::WhatIf;
use pnl_core::{AssetId, Method, Outcome, Usd, Window, explain};
use proptest::prelude::*;
use proptest::sample::select;
use random_history::{history, step};

fn engine(method: Method, scope: Scope) -> Engine {
    let options = Options { scope, ..Options::with_quote_assets([AssetId::new("S")]) };
    Engine::new(method, options).unwrap()
}

fn read(mut engine: Engine, events: &[Event]) -> Engine {
    events.iter().for_each(|event| engine.apply(event).unwrap());
    engine
}

/// The disposals, incomes and fees as text.
fn lines(records: &Records) -> Vec<String> {
    let text = |value: serde_json::Value| value.to_string();
    let disposals = records.disposals().map(|row| text(serde_json::to_value(row).unwrap()));
    let incomes = records.incomes().map(|row| text(serde_json::to_value(row).unwrap()));
    let fees = records.fees().map(|row| text(serde_json::to_value(row).unwrap()));
    disposals.chain(incomes).chain(fees).collect()
}

/// What does not depend on which records are still there.
fn sums(outcome: &Outcome) -> String {
    let Outcome { totals, by_asset, conservation, .. } = outcome;
    let lots: Vec<_> = outcome.lots().collect();
    serde_json::to_string(&(lots, totals, by_asset, conservation)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn continuing_from_a_state_is_computing_again(
        steps in prop::collection::vec(step(), 0..20),
        method in select(Method::ALL.to_vec()),
        scope in select(vec![Scope::Wallet, Scope::Global]),
    ) {
        let events = history(steps);
        let whole = read(engine(method, scope), &events).finish(None).unwrap();
        for cut in 0..=events.len() {
            let mut first = read(engine(method, scope), &events[..cut]);
            let state = first.state().unwrap();
            let before = first.take_records();
            prop_assert_eq!(&first.state().unwrap(), &state, "records are no part of the state");
            let resumed = Engine::resume(&state).unwrap();
            prop_assert_eq!(&resumed.state().unwrap(), &state);
            for continued in [resumed, first] {
                let rest = read(continued, &events[cut..]).finish(None).unwrap();
                prop_assert_eq!(sums(&rest), sums(&whole));
                let kind = |records: &Records| {
                    [records.disposals().count(), records.incomes().count(), records.fees().count()]
                };
                let counts = kind(&before).into_iter().zip(kind(rest.records())).map(|(a, b)| a + b);
                prop_assert_eq!(counts.collect::<Vec<_>>(), kind(whole.records()));
                let mut parts = lines(&before);
                parts.extend(lines(rest.records()));
                let mut all = lines(whole.records());
                parts.sort();
                all.sort();
                prop_assert_eq!(parts, all);
            }
        }
    }

    /// Memory of other records is memory, nothing else.
    #[test]
    fn reused_memory_changes_nothing(
        before in prop::collection::vec(step(), 0..20), steps in prop::collection::vec(step(), 0..20),
        method in select(Method::ALL.to_vec()), cut in any::<prop::sample::Index>(),
    ) {
        let events = history(steps);
        let spent = read(engine(method, Scope::Wallet), &history(before)).finish(None).unwrap().into_records();
        let cut = cut.index(events.len() + 1);
        let mut reusing = read(engine(method, Scope::Wallet), &events[..cut]);
        reusing.reuse(spent);
        let whole = read(engine(method, Scope::Wallet), &events).finish(None).unwrap();
        prop_assert_eq!(read(reusing, &events[cut..]).finish(None).unwrap(), whole);
    }

    #[test]
    fn every_moment_is_the_end_of_its_own_history(
        steps in prop::collection::vec(step(), 0..20), method in select(Method::ALL.to_vec()),
    ) {
        let events = history(steps);
        let mut running = engine(method, Scope::Wallet);
        for (number, event) in events.iter().enumerate() {
            let alone = read(engine(method, Scope::Wallet), &events[..number]).finish(None).unwrap();
            prop_assert_eq!(running.clone().finish(None).unwrap(), alone);
            running.apply(event).unwrap();
        }
    }

    #[test]
    fn many_windows_in_one_pass_are_each_window(
        steps in prop::collection::vec(step(), 0..30), cuts in prop::collection::vec(-1i64..40, 0..6),
    ) {
        let outcome = read(engine(Method::Fifo, Scope::Wallet), &history(steps)).finish(None).unwrap();
        let mut windows = vec![Window::ALL];
        windows.extend(cuts.windows(2).map(|ends| Window { from: Some(ends[0]), to: Some(ends[1]) }));
        let together = outcome.windows(&windows).unwrap();
        for (window, totals) in windows.iter().zip(together) {
            prop_assert_eq!(totals, outcome.window(window).unwrap());
        }
        prop_assert_eq!(outcome.window(&Window::ALL).unwrap().flows.realized_gain, outcome.totals.realized_gain);
    }

    #[test]
    fn comparing_methods_is_running_each(steps in prop::collection::vec(step(), 0..20)) {
        let events = history(steps);
        let options = Options::with_quote_assets([AssetId::new("S")]);
        let mut what_if = WhatIf::new(&options).unwrap();
        events.iter().for_each(|event| what_if.apply(event).unwrap());
        let comparison = what_if.finish(None).unwrap();
        for sums in &comparison.0 {
            let alone = read(engine(sums.method, Scope::Wallet), &events).finish(None).unwrap();
            prop_assert_eq!((&sums.totals, &sums.by_asset), (&alone.totals, &alone.by_asset));
            prop_assert_eq!(&sums.conservation, &alone.conservation);
            let mut remaining = BTreeMap::<_, Usd>::new();
            for (lot, basis) in alone.lots().filter_map(|lot| Some((lot, lot.basis?))) {
                let sum = remaining.entry(lot.asset.clone()).or_default();
                *sum = sum.checked_add(basis).unwrap();
            }
            prop_assert_eq!(&sums.remaining_basis, &remaining);
        }
        for row in comparison.rows().unwrap() {
            let parts = row.remaining_difference.checked_add(row.other_difference).unwrap();
            prop_assert_eq!(parts, row.gain_difference);
        }
    }

    #[test]
    fn explanations_leave_nothing_over(
        steps in prop::collection::vec(step(), 0..30), method in select(Method::ALL.to_vec()),
    ) {
        let outcome = read(engine(method, Scope::Wallet), &history(steps)).finish(None).unwrap();
        let explanation = explain::explain(&outcome).unwrap();
        prop_assert!(explanation.left_over.is_zero());
        let tokens = explanation.tokens.values();
        prop_assert_eq!(tokens.clone().map(|token| token.disposals.len()).sum::<usize>(), outcome.disposals().len());
        for token in tokens {
            prop_assert!(token.left_over.is_zero());
            prop_assert!(token.disposals.iter().all(|disposal| disposal.left_over.is_zero()));
        }
    }
}

#[test]
fn a_state_that_was_changed_or_is_of_another_version_is_refused() {
    let buy = r#"{"method":"fifo","events":[{"id":"b","ts":1,"kind":"acquire","asset":"T","qty":"5",
        "decimals":0,"value":"7"}]}"#;
    let events = Document::read(buy).unwrap().events;
    let state = read(engine(Method::Fifo, Scope::Wallet), &events).state().unwrap();
    let code = |text: &str| Engine::resume(text).unwrap_err().code();
    assert_eq!(code(&state.replacen("\"5\"", "\"6\"", 1)), "state-checksum");
    assert_eq!(code(&state.replacen("\"version\":", "\"version\":9", 1)), "state-version");
    assert_eq!(code(&state[..state.len() - 1]), "state-unreadable");
    assert!(Engine::resume(&state).is_ok());
}

#[test]
fn an_explanation_reads_as_a_tree() {
    let history = r#"{"method":"fifo","events":[
        {"id":"a","ts":1,"kind":"acquire","asset":"T","qty":"3","decimals":0,"value":"1"},
        {"id":"s","ts":9,"kind":"dispose","asset":"T","qty":"4","decimals":0,"value":"2"}]}"#;
    let outcome = Document::read(history).unwrap().run().unwrap();
    let explained = explain::find(&outcome, "s", DisposalLeg::Main).unwrap().unwrap();
    assert_eq!(
        explained.to_string(),
        "s: 4 T for 2, basis 1, gain 0.5\n  3 of lot a, held 8 s: proceeds 1.5 - basis 1 = 0.5\n  \
         1 beyond any lot: proceeds 0.5\n"
    );
    assert!(explain::find(&outcome, "s", DisposalLeg::Fee).unwrap().is_none());
    assert_eq!(explained.uncovered_gain, Usd::ZERO);
}
