//! Tokens, calendar, distribution, holding times, daily ratio and equity: worked by hand, and for any history.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod random_history;

use std::collections::BTreeMap;

use pnl_core::document::Document;
use pnl_core::engine::{Engine, Flows, Options, Oversold};
use pnl_core::event::Event;
use pnl_core::metrics::{
    Boundary, Calendar, Distribution, Drawdown, EquityReader, HoldingTerms, Metrics, RETURN_EDGES,
    TokenMetrics, sharpe_like,
};
use pnl_core::ratio::Figure;
use pnl_core::{AssetId, Method, Outcome, Period, Usd, UsdPrice, Window};
use proptest::prelude::*;
use proptest::sample::select;
use random_history::{history, step};

const DAY: i64 = 86_400;

fn run(events: &str) -> Outcome {
    let document =
        format!(r#"{{"method":"fifo","options":{{"quote_assets":["S"]}},"events":[{events}]}}"#);
    Document::read(&document).unwrap().run().unwrap()
}

fn trade(id: &str, ts: i64, kind: &str, asset: &str, qty: u32, value: &str) -> String {
    format!(
        r#"{{"id":"{id}","ts":{ts},"kind":"{kind}","asset":"{asset}","qty":{qty},"decimals":0,"value":"{value}"}}"#
    )
}

/// | day | event | gain |
/// |---|---|---|
/// | 0 | buy 4 A for 40, 1 B for 10 | |
/// | 1 | sell 2 A for 50 | 30 |
/// | 2 | sell 1 A for 4 | -6 |
/// | 4 | sell 1 B for 10; earn 1 C worth nothing and sell it for 7 | 0, 7 |
fn three_tokens() -> Outcome {
    run(&[
        trade("a", 0, "acquire", "A", 4, "40"),
        trade("b", 5, "acquire", "B", 1, "10"),
        trade("s", DAY, "dispose", "A", 2, "50"),
        trade("t", 2 * DAY, "dispose", "A", 1, "4"),
        trade("u", 4 * DAY, "dispose", "B", 1, "10"),
        trade("v", 4 * DAY, "income", "C", 1, "0"),
        trade("w", 4 * DAY + 1, "dispose", "C", 1, "7"),
    ]
    .join(","))
}

#[test]
fn tokens_have_their_own_figures() {
    let rows = TokenMetrics::of(&three_tokens(), &Window::ALL).unwrap();
    let [a, b, c] = &rows[..] else { panic!("three tokens") };
    assert_eq!((a.buys, a.sells, a.trades, a.winning_trades, a.losing_trades), (1, 2, 2, 1, 1));
    assert_eq!([a.bought, a.sold, a.realized_pnl, a.basis], ["40", "54", "24", "30"].map(usd));
    // 24 on 30; one and two days.
    assert_eq!(text(a.roi_pct.as_ref()).as_deref(), Some("80"));
    assert_eq!(text(a.avg_hold_s.as_ref()).as_deref(), Some("129600"));
    assert_eq!((a.first_ts, a.last_ts, a.closed), (Some(0), Some(2 * DAY), false));
    assert_eq!((b.trades, b.winning_trades, b.losing_trades, b.closed), (1, 0, 0, true));
    assert_eq!((c.buys, c.sells, c.roi_pct.clone(), c.realized_pnl), (0, 1, None, usd("7")));
}

#[test]
fn returns_fall_into_buckets_and_what_was_not_sold_into_none() {
    let outcome = three_tokens();
    let shape = |distribution: Distribution| {
        let counts = distribution.buckets.iter().map(|bucket| (bucket.count, bucket.closed));
        (counts.collect::<Vec<_>>(), distribution.without_return)
    };
    // A 80 %, B 0 %, which is in the bucket that begins at 0; C cost nothing.
    let tokens = Distribution::of_tokens(&outcome, &Window::ALL, &RETURN_EDGES).unwrap();
    assert_eq!((tokens.buckets[2].from_pct, tokens.buckets[2].to_pct), (Some(0), Some(200)));
    assert_eq!(shape(tokens), (vec![(0, 0), (0, 0), (2, 1), (0, 0), (0, 0)], 1));
    // 150 %, -60 % and 0 %; the edges may come in any order.
    let trades = Distribution::of_trades(&outcome, &Window::ALL, &[150, -50]).unwrap();
    assert_eq!(shape(trades), (vec![(1, 0), (1, 1), (1, 0)], 1));
}

/// One of seven for its cost, then the rest for its cost and one more: off by a unit of 1e-36 USD, which is no loss and no return.
#[test]
fn a_sale_at_its_cost_is_neither_won_nor_lost() {
    let events = [
        trade("a", 1, "acquire", "T", 7, "7"),
        trade("b", 2, "dispose", "T", 1, "1"),
        trade("c", 3, "dispose", "T", 7, "7"),
    ];
    let outcome = run(&events.join(","));
    let metrics = Metrics::of(&outcome, &Window::ALL).unwrap();
    assert_eq!((metrics.winning_trades, metrics.losing_trades), (0, 0));
    assert_eq!((metrics.profit_factor, metrics.token_win_rate), (None, None));
    assert_eq!(metrics.skill_pnl_ratio.to_string(), "0");
    let buckets = Distribution::of_trades(&outcome, &Window::ALL, &[0]).unwrap().buckets;
    assert_eq!((buckets[0].count, buckets[1].count), (0, 2));
}

#[test]
fn the_daily_ratio_is_that_of_all_days_of_the_window() {
    let outcome = three_tokens();
    // 0, 30, -6, 0, 7: sum 31, squares 985; 31^2 * 4 * 365 / (5 * (5 * 985 - 31^2)) = 1403060 / 19820,
    // of which the root is 8.41368593...
    let ratio = sharpe_like(&outcome, &Window::ALL).unwrap().unwrap().to_string();
    assert_eq!(ratio, "8.413685934178368074");
    let days = |from: i64, to: i64| Window { from: Some(from * DAY), to: Some(to * DAY) };
    // 30 and -6: mean 12, sample deviation 18 * root 2, so 12 / (18 * 1.414213...) * 19.104973...
    let ratio = sharpe_like(&outcome, &days(1, 3)).unwrap().unwrap().to_string();
    assert!(ratio.starts_with("9.006"), "{ratio}");
    // One day is no spread, days alike have none.
    assert_eq!(sharpe_like(&outcome, &days(1, 2)).unwrap(), None);
    assert_eq!(sharpe_like(&outcome, &days(7, 90)).unwrap(), None);
}

#[test]
fn holding_terms_are_cut_at_the_date_months_later() {
    // 2023-12-15, 2024-01-31 and the sale of 2024-02-29.
    let events = [
        trade("a", 1_702_598_400, "acquire", "T", 1, "10"),
        trade("b", 1_706_659_200, "acquire", "T", 1, "20"),
        trade("s", 1_709_164_800, "dispose", "T", 3, "90"),
    ];
    let terms = |months| {
        let terms =
            HoldingTerms::of(&run(&events.join(",")), &Window::ALL, Boundary::Months(months))
                .unwrap();
        [terms.short.gain, terms.long.gain, terms.uncovered_gain]
    };
    // A month after 2024-01-31 is 2024-02-29, the last day; the sale is on it, not behind it.
    assert_eq!(terms(1), ["10", "20", "0"].map(usd));
    assert_eq!(terms(0), ["0", "30", "0"].map(usd));
    assert_eq!(terms(12), ["30", "0", "0"].map(usd));
}

#[test]
fn a_curve_that_only_rises_has_no_drawdown() {
    let document = format!(
        r#"{{"method":"fifo","events":[{},{}]}}"#,
        trade("a", 1, "acquire", "T", 1, "10"),
        trade("s", 2, "dispose", "T", 1, "20")
    );
    let document = Document::read(&document).unwrap();
    let points = |price: &'static str, moments: &[i64]| {
        let engine = Engine::new(Method::Fifo, Options::default()).unwrap();
        let price = move |_: &AssetId, _| price.parse().ok();
        let mut reader = EquityReader::new(engine, moments.to_vec(), price);
        document.events.iter().for_each(|event| reader.apply(event).unwrap());
        reader.finish().unwrap().0
    };
    assert_eq!(Drawdown::of(&points("12", &[1, 2, 3]), Usd::ZERO).unwrap(), None);
    let fall = Drawdown::of(&points("4", &[2, 3]), Usd::ZERO).unwrap().unwrap();
    // Below a start of zero: a part of nothing.
    assert_eq!((fall.usd, fall.pct, fall.peak_at, fall.low_at), (usd("6"), None, None, 2));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the view, its parts sum to the window.
    #[test]
    fn every_view_sums_to_its_window(
        steps in prop::collection::vec(step(), 0..30), method in select(Method::ALL.to_vec()),
        oversold in select(vec![Oversold::Exclude, Oversold::ZeroBasis]),
        cut in 0i64..40, period in select(Period::ALL.to_vec()), limit in 0i64..9,
    ) {
        // One step is a few hours.
        let mut events = history(steps);
        events.iter_mut().for_each(|event| event.ts *= 20_000);
        let options = Options { oversold, ..Options::with_quote_assets([AssetId::new("S")]) };
        let mut engine = Engine::new(method, options).unwrap();
        events.iter().for_each(|event| engine.apply(event).unwrap());
        let outcome = engine.finish(None).unwrap();
        for window in [Window::ALL, Window { from: Some(cut * 10_000), to: Some(cut * 30_000) }] {
            let whole = outcome.window(&window).unwrap().flows;
            let metrics = Metrics::of(&outcome, &window).unwrap();
            let calendar = Calendar::of(&outcome, &window, period).unwrap();
            prop_assert_eq!(sum_of(calendar.rows.iter().map(|row| &row.flows)), whole.clone());
            prop_assert_eq!(Figure::of_dollars(sum(calendar.rows.iter().map(|row| row.realized_pnl))), metrics.realized_pnl.clone());
            prop_assert_eq!(Figure::of_dollars(sum(calendar.rows.iter().map(|row| row.volume))), metrics.volume_usd.clone());
            prop_assert_eq!(calendar.rows.iter().map(|row| row.trades).sum::<u64>(), metrics.trades);
            prop_assert!(calendar.rows.windows(2).all(|rows| rows[0].to <= rows[1].from));

            let tokens = TokenMetrics::of(&outcome, &window).unwrap();
            prop_assert_eq!(Figure::of_dollars(sum(tokens.iter().map(|row| row.realized_pnl))), metrics.realized_pnl.clone());
            let wins = tokens.iter().map(|row| (row.winning_trades, row.losing_trades));
            let wins = wins.fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
            prop_assert_eq!(wins, (metrics.winning_trades, metrics.losing_trades));
            prop_assert_eq!(tokens.iter().filter(|row| row.trades > 0 && row.closed).count() as u64, metrics.closed_tokens);
            prop_assert_eq!(tokens.iter().filter(|row| row.buys + row.sells > 0).count() as u64, metrics.unique_tokens);

            let spread = Distribution::of_trades(&outcome, &window, &RETURN_EDGES).unwrap();
            let counted: u64 = spread.buckets.iter().map(|bucket| bucket.count).sum();
            prop_assert_eq!(counted + spread.without_return, metrics.trades);

            let terms = HoldingTerms::of(&outcome, &window, Boundary::Seconds(limit * 20_000)).unwrap();
            let parts = [terms.short.gain, terms.long.gain, terms.uncovered_gain];
            prop_assert_eq!(sum(parts), whole.realized_gain);
        }
    }

    /// A point of the curve is the end of a history that stops there.
    #[test]
    fn every_point_is_the_end_of_its_own_history(
        steps in prop::collection::vec(step(), 0..20), method in select(Method::ALL.to_vec()),
        moments in prop::collection::vec(-2i64..50, 0..8),
    ) {
        let events = history(steps);
        let engine = || Engine::new(method, Options::default()).unwrap();
        let price = |asset: &AssetId, at: i64| -> Option<UsdPrice> {
            (asset.as_str() != "B").then(|| format!("{}.5", at.unsigned_abs()).parse().unwrap())
        };
        let mut reader = EquityReader::new(engine(), moments.clone(), price);
        events.iter().for_each(|event| reader.apply(event).unwrap());
        let (points, whole) = reader.finish().unwrap();
        let mut expected = moments;
        expected.sort_unstable();
        expected.dedup();
        prop_assert_eq!(points.iter().map(|point| point.at).collect::<Vec<_>>(), expected);
        for point in points {
            let prices: BTreeMap<_, _> = ["A", "S"]
                .map(|id| (AssetId::new(id), price(&AssetId::new(id), point.at).unwrap())).into();
            let mut alone = engine();
            let before: Vec<&Event> = events.iter().filter(|event| event.ts < point.at).collect();
            before.iter().for_each(|event| alone.apply(event).unwrap());
            let end = alone.finish(Some(&prices)).unwrap();
            prop_assert_eq!(point.net_realized, end.totals.net_realized);
            prop_assert_eq!(Some(point.unrealized_gain), end.totals.unrealized_gain);
            prop_assert_eq!(point.unpriced, end.totals.unpriced_holdings.unwrap().len() as u64);
            prop_assert_eq!(point.fees, end.totals.fees_usd);
        }
        let mut again = engine();
        events.iter().for_each(|event| again.apply(event).unwrap());
        prop_assert_eq!(whole.finish(None).unwrap(), again.finish(None).unwrap());
    }
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn text(figure: Option<&Figure>) -> Option<String> {
    figure.map(ToString::to_string)
}

fn sum(amounts: impl IntoIterator<Item = Usd>) -> Usd {
    amounts.into_iter().fold(Usd::ZERO, |sum, amount| sum.checked_add(amount).unwrap())
}

fn sum_of<'a>(rows: impl Iterator<Item = &'a Flows> + Clone) -> Flows {
    let of = |column: fn(&Flows) -> Usd| sum(rows.clone().map(column));
    Flows {
        realized_gain: of(|row| row.realized_gain),
        income: of(|row| row.income),
        fee_expense: of(|row| row.fee_expense),
        fees_usd: of(|row| row.fees_usd),
        proceeds: of(|row| row.proceeds),
        matched_proceeds: of(|row| row.matched_proceeds),
        unknown_proceeds: of(|row| row.unknown_proceeds),
        unmatched_proceeds: of(|row| row.unmatched_proceeds),
        basis_disposed: of(|row| row.basis_disposed),
        basis_unpriced: of(|row| row.basis_unpriced),
    }
}
