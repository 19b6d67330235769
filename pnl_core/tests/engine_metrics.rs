//! Metrics and windows on a history worked by hand.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use pnl_core::document::Document;
use pnl_core::metrics::Metrics;
use pnl_core::{Outcome, Usd, Window};

const DAY: i64 = 86_400;

/// Two tokens against a quote asset, one of them still held:
///
/// | day | event | gain |
/// |---|---|---|
/// | 0 | buy 10 A for 100 USDC | |
/// | 1 | sell 5 A for 80 USDC | 80 - 50 = 30 |
/// | 2 | sell 5 A for 30 USDC | 30 - 50 = -20 |
/// | 3 | buy 4 B for 40 USDC | |
/// | 5 | sell 1 B for 25 USDC | 25 - 10 = 15 |
fn history() -> Outcome {
    let swap = |id: &str, day: i64, out: (&str, u32), into: (&str, u32), value: u32| {
        format!(
            r#"{{"id":"{id}","ts":{},"kind":"swap","value":"{value}",
                "out":{{"asset":"{}","qty":"{}","decimals":0}},
                "in":{{"asset":"{}","qty":"{}","decimals":0}}}}"#,
            day * DAY,
            out.0,
            out.1,
            into.0,
            into.1
        )
    };
    let events = [
        r#"{"id":"fund","ts":0,"kind":"transfer_in","asset":"USDC","qty":"140","decimals":0,"value":"140"}"#
            .to_owned(),
        swap("b1", 0, ("USDC", 100), ("A", 10), 100),
        swap("s1", 1, ("A", 5), ("USDC", 80), 80),
        swap("s2", 2, ("A", 5), ("USDC", 30), 30),
        swap("b2", 3, ("USDC", 40), ("B", 4), 40),
        swap("s3", 5, ("B", 1), ("USDC", 25), 25),
    ];
    let document = format!(
        r#"{{"method":"fifo","options":{{"quote_assets":["USDC"]}},"events":[{}]}}"#,
        events.join(",")
    );
    Document::read(&document).unwrap().run().unwrap()
}

fn text(figure: Option<&pnl_core::ratio::Figure>) -> Option<String> {
    figure.map(ToString::to_string)
}

#[test]
fn metrics_of_the_full_history() {
    let metrics = Metrics::of(&history(), &Window::ALL).unwrap();
    assert_eq!(metrics.realized_pnl.to_string(), "25");
    assert_eq!((metrics.trades, metrics.winning_trades, metrics.losing_trades), (3, 2, 1));
    assert_eq!(text(metrics.trade_win_rate.as_ref()).as_deref(), Some("0.666666666666666667"));
    // A is closed with 10, B still held.
    assert_eq!(metrics.closed_tokens, 1);
    assert_eq!(text(metrics.token_win_rate.as_ref()).as_deref(), Some("1"));
    // (30 + 15) / 20.
    assert_eq!(text(metrics.profit_factor.as_ref()).as_deref(), Some("2.25"));
    // 25 on a basis of 100 + 10; A 10 on 100 = 10 %, B 15 on 10 = 150 %.
    assert_eq!(text(metrics.roi_pct.as_ref()).as_deref(), Some("22.727272727272727273"));
    assert_eq!(text(metrics.avg_roi_pct.as_ref()).as_deref(), Some("80"));
    assert_eq!(text(metrics.median_roi_pct.as_ref()).as_deref(), Some("80"));
    assert_eq!(text(metrics.expectancy_pct.as_ref()).as_deref(), Some("80"));
    // (25 - 15) / 25.
    assert_eq!(metrics.skill_pnl_ratio.to_string(), "0.4");
    // 1, 2 and 2 days.
    assert_eq!(text(metrics.avg_hold_s.as_ref()).as_deref(), Some("144000"));
    assert_eq!(text(metrics.median_hold_s.as_ref()).as_deref(), Some("172800"));
    // The curve is 30, 10, 25.
    assert_eq!(metrics.max_drawdown_usd.to_string(), "20");
    assert_eq!((metrics.win_streak, metrics.loss_streak), (1, 1));
    // 100 + 80 + 30 + 40 + 25; the transfer is no volume, and its day has a purchase anyway.
    assert_eq!(metrics.volume_usd.to_string(), "275");
    assert_eq!((metrics.active_days, metrics.unique_tokens), (5, 2));
}

#[test]
fn a_window_selects_by_the_time_of_the_sale_and_keeps_the_basis_of_before() {
    let outcome = history();
    let window = Window { from: Some(2 * DAY), to: Some(5 * DAY) };
    let metrics = Metrics::of(&outcome, &window).unwrap();
    // Only s2, whose lot was bought before the window; s3 is at its end, which is outside.
    assert_eq!(metrics.realized_pnl.to_string(), "-20");
    assert_eq!(metrics.trades, 1);
    assert_eq!(metrics.profit_factor.map(|f| f.to_string()).as_deref(), Some("0"));
    assert_eq!(metrics.volume_usd.to_string(), "70");
    assert_eq!((metrics.active_days, metrics.unique_tokens), (2, 2));

    let flows = outcome.window(&window).unwrap();
    let usd = |text: &str| text.parse::<Usd>().unwrap();
    // s2 sells A for 30 against 50, b2 pays 40 USDC at their basis of 40.
    assert_eq!(flows.flows.realized_gain, usd("-20"));
    assert_eq!(flows.flows.proceeds, usd("70"));
    assert_eq!(flows.by_asset.len(), 2);
}

#[test]
fn windows_that_cut_a_history_add_up_to_it() {
    let outcome = history();
    for cut in [-1, 0, DAY, 3 * DAY, 5 * DAY, 9 * DAY] {
        let before = outcome.window(&Window { from: None, to: Some(cut) }).unwrap().flows;
        let after = outcome.window(&Window { from: Some(cut), to: None }).unwrap().flows;
        let sum = before.realized_gain.checked_add(after.realized_gain).unwrap();
        assert_eq!(sum, outcome.totals.realized_gain, "cut at {cut}");
    }
    let all = outcome.window(&Window::ALL).unwrap().flows;
    assert_eq!(all.net_realized().unwrap(), outcome.totals.net_realized);
}

#[test]
fn an_empty_history_has_zeros_and_no_ratios() {
    let document = Document::read(r#"{"method":"fifo","events":[],"prices":{}}"#).unwrap();
    let outcome = document.run().unwrap();
    let metrics = Metrics::of(&outcome, &Window::ALL).unwrap();
    assert_eq!(outcome.totals.unrealized_gain, Some(Usd::ZERO));
    assert_eq!(metrics.trades, 0);
    assert_eq!(metrics.trade_win_rate, None);
    assert_eq!(metrics.profit_factor, None);
    assert_eq!(metrics.avg_hold_s, None);
    assert_eq!(metrics.skill_pnl_ratio.to_string(), "0");
}

#[test]
fn what_is_sold_later_does_not_change_whether_a_trade_was_won() {
    let event = |id: &str, ts: usize, kind: &str, asset: &str, qty: usize, value: &str| {
        format!(
            r#"{{"id":"{id}","ts":{ts},"kind":"{kind}","asset":"{asset}","qty":{qty},"decimals":0,"value":"{value}"}}"#
        )
    };
    // More than two sales can be off by, and less than four hundred.
    let gained = format!("100.{}1", "0".repeat(32));
    let mut events =
        vec![event("a", 1, "acquire", "T", 1, "100"), event("s", 2, "dispose", "T", 1, &gained)];
    let wins = |events: &[String]| {
        let document = format!(r#"{{"method":"fifo","events":[{}]}}"#, events.join(","));
        let outcome = Document::read(&document).unwrap().run().unwrap();
        Metrics::of(&outcome, &Window { from: None, to: Some(3) }).unwrap().winning_trades
    };
    assert_eq!(wins(&events), 1);
    events.push(event("b", 3, "acquire", "U", 400, "400"));
    events.extend((0..400).map(|n| event(&format!("u{n}"), 4 + n, "dispose", "U", 1, "1")));
    assert_eq!(wins(&events), 1);
}
