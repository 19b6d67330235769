//! Worked examples. Every figure is derived in the comment above it.
#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

use pnl_core::document::Document;
use pnl_core::engine::{Disposal, DisposalLeg, Outcome};
use pnl_core::{RawAmount, Usd};

/// Runs a FIFO history. `rest` is the JSON behind `"method": "fifo"`.
fn run(rest: &str) -> Outcome {
    let document = format!("{{\"method\":\"fifo\",{rest}}}");
    Document::read(&document).unwrap().run().unwrap()
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

fn raw(quantity: u64) -> RawAmount {
    RawAmount::from(quantity)
}

/// The lots, quantities and bases of a disposal's matches.
fn matches<'a>(disposal: &Disposal<'a>) -> Vec<(&'a str, RawAmount, Option<Usd>)> {
    disposal.matches.iter().map(|piece| (piece.lot, piece.quantity, piece.basis)).collect()
}

#[test]
fn a_sale_consumes_the_oldest_lots_first() {
    let outcome = run(r#""events":[
        {"id":"old","ts":100,"kind":"acquire","asset":"T","qty":"4","decimals":0,"price":"10"},
        {"id":"new","ts":200,"kind":"acquire","asset":"T","qty":"6","decimals":0,"price":"20"},
        {"id":"sale","ts":500,"kind":"dispose","asset":"T","qty":"7","decimals":0,"price":"30"}]"#);
    let [sale] = &outcome.disposals().collect::<Vec<_>>()[..] else { panic!("one disposal") };
    // 4 of the old lot at 10 and 3 of the new at 20: basis 40 + 60 = 100. Proceeds 7 * 30 = 210.
    assert_eq!(matches(sale), [("old", raw(4), Some(usd("40"))), ("new", raw(3), Some(usd("60")))]);
    assert_eq!((sale.basis, sale.gain), (usd("100"), Some(usd("110"))));
    assert_eq!(sale.matches.iter().map(|piece| piece.hold_s).collect::<Vec<_>>(), [400, 300]);
    // 3 of the new lot are left at 20 each.
    let [left] = &outcome.lots().collect::<Vec<_>>()[..] else { panic!("one lot") };
    assert_eq!((left.lot, left.quantity, left.basis), ("new", raw(3), Some(usd("60"))));
    assert_eq!(outcome.totals.remaining_basis, usd("60"));
}

#[test]
fn a_fee_joins_the_cost_of_what_is_bought_and_leaves_the_proceeds_of_what_is_sold() {
    let outcome = run(r#""options":{"quote_assets":["SOL"]},"events":[
        {"id":"fund","ts":0,"kind":"acquire","asset":"SOL","qty":"10","decimals":0,"price":"50"},
        {"id":"buy","ts":1,"kind":"swap","value":"200",
         "out":{"asset":"SOL","qty":"2","decimals":0},"in":{"asset":"T","qty":"100","decimals":0},
         "fee":{"asset":"SOL","qty":"1","decimals":0,"value":"100"}},
        {"id":"sell","ts":2,"kind":"swap","value":"500",
         "out":{"asset":"T","qty":"100","decimals":0},"in":{"asset":"SOL","qty":"4","decimals":0},
         "fee":{"asset":"SOL","qty":"1","decimals":0,"value":"125"}}]"#);
    let [paid, buy_fee, sold, sell_fee] = &outcome.disposals().collect::<Vec<_>>()[..] else {
        panic!("four disposals")
    };
    // Buying: SOL is the quote asset, so the token carries the fee of 100. The 2 SOL that left are
    // a disposal at 200 against 2 * 50; the fee of 1 SOL one at 100 against 50.
    assert_eq!((paid.leg, paid.gain), (DisposalLeg::Out, Some(usd("100"))));
    assert_eq!((buy_fee.leg, buy_fee.gain), (DisposalLeg::Fee, Some(usd("50"))));
    // Selling: the token again. Its basis is 200 + 100, its proceeds are 500 - 125 = 375.
    assert_eq!(
        (sold.proceeds, sold.basis, sold.gain),
        (Some(usd("375")), usd("300"), Some(usd("75")))
    );
    // The fee is paid last, so it comes from the oldest SOL: 125 against 50.
    assert_eq!(matches(sell_fee), [("fund", raw(1), Some(usd("50")))]);
    assert_eq!(sell_fee.gain, Some(usd("75")));
    // Attached fees are no expense of their own: 100 + 50 + 75 + 75 = 300 is the whole result.
    assert_eq!(outcome.totals.fees_usd, usd("225"));
    assert_eq!(outcome.totals.fee_expense, usd("0"));
    assert_eq!(outcome.totals.net_realized, usd("300"));
}

#[test]
fn what_was_never_held_has_proceeds_but_no_gain() {
    let outcome = run(r#""events":[
        {"id":"buy","ts":0,"kind":"acquire","asset":"T","qty":"30","decimals":0,"value":"60"},
        {"id":"sale","ts":1,"kind":"dispose","asset":"T","qty":"40","decimals":0,"value":"200"}]"#);
    let [sale] = &outcome.disposals().collect::<Vec<_>>()[..] else { panic!("one disposal") };
    // 30 of 40 are covered: 150 of the proceeds against a basis of 60. The other 50 are reported.
    assert_eq!((sale.matched, sale.unmatched), (raw(30), raw(10)));
    assert_eq!((sale.gain, sale.unmatched_proceeds), (Some(usd("90")), usd("50")));
    assert_eq!(outcome.totals.unmatched_proceeds, usd("50"));
    assert_eq!(outcome.totals.realized_gain, usd("90"));
}

#[test]
fn a_lot_without_a_price_has_an_unknown_basis_never_a_zero_one() {
    let outcome = run(r#""events":[
        {"id":"airdrop","ts":0,"kind":"transfer_in","asset":"T","qty":"1","decimals":0},
        {"id":"buy","ts":1,"kind":"acquire","asset":"T","qty":"3","decimals":0,"value":"30"},
        {"id":"sale","ts":2,"kind":"dispose","asset":"T","qty":"3","decimals":0,"value":"60"},
        {"id":"gift","ts":3,"kind":"dispose","asset":"T","qty":"1","decimals":0}]"#);
    let [sale, gift] = &outcome.disposals().collect::<Vec<_>>()[..] else {
        panic!("two disposals")
    };
    // One of three comes from the lot of unknown basis: its 20 are unknown proceeds. The other 40
    // meet a basis of 20.
    assert_eq!(matches(sale), [("airdrop", raw(1), None), ("buy", raw(2), Some(usd("20")))]);
    assert_eq!((sale.unknown, sale.unknown_proceeds), (raw(1), usd("20")));
    assert_eq!(sale.gain, Some(usd("20")));
    // A disposal without a price: its basis is known, its gain is not, and is not counted as zero.
    assert_eq!((gift.proceeds, gift.basis, gift.gain), (None, usd("10"), None));
    assert_eq!(outcome.totals.basis_disposed, usd("20"));
    assert_eq!(outcome.conservation.basis_unpriced, usd("10"));
}

#[test]
fn a_move_between_own_wallets_keeps_lots_with_their_time_and_basis() {
    let outcome = run(r#""events":[
        {"id":"b0","ts":50,"wallet":"to","kind":"acquire","asset":"T","qty":"5","decimals":0,"value":"500"},
        {"id":"b1","ts":10,"wallet":"from","kind":"acquire","asset":"T","qty":"5","decimals":0,"value":"5"},
        {"id":"out","ts":100,"wallet":"from","kind":"transfer_out","asset":"T","qty":"8","decimals":0,"link":"m"},
        {"id":"in","ts":110,"wallet":"to","kind":"transfer_in","asset":"T","qty":"8","decimals":0,"link":"m"},
        {"id":"sale","ts":200,"wallet":"to","kind":"dispose","asset":"T","qty":"12","decimals":0,"value":"120"}]"#);
    let [sale] = &outcome.disposals().collect::<Vec<_>>()[..] else {
        panic!("one disposal, a move is none")
    };
    // The moved lot is the oldest (time 10), then the one bought there (50), then the 3 of the move
    // that no lot covered at its source: they arrived at 110 with unknown basis.
    assert_eq!(
        matches(sale),
        [("b1", raw(5), Some(usd("5"))), ("b0", raw(5), Some(usd("500"))), ("in", raw(2), None)]
    );
    assert_eq!(sale.matches.iter().next().unwrap().hold_s, 190);
    // 10 each: 100 against 505, and 20 unknown.
    assert_eq!((sale.gain, sale.unknown_proceeds), (Some(usd("-405")), usd("20")));
    assert_eq!(outcome.totals.cost_in, usd("505"), "a move is no acquisition");
}

#[test]
fn what_is_under_way_is_neither_held_nor_gone() {
    let outcome = run(r#""events":[
        {"id":"buy","ts":0,"wallet":"a","kind":"acquire","asset":"T","qty":"4","decimals":0,"value":"8"},
        {"id":"out","ts":1,"wallet":"a","kind":"transfer_out","asset":"T","qty":"1","decimals":0,"link":"m"},
        {"id":"sale","ts":2,"wallet":"b","kind":"dispose","asset":"T","qty":"1","decimals":0,"value":"9"}]"#);
    // A quarter of the cost is in transit; the other wallet has nothing to sell yet.
    assert_eq!(outcome.conservation.basis_in_transit, usd("2"));
    assert_eq!(outcome.totals.remaining_basis, usd("6"));
    assert_eq!(outcome.disposals().next().unwrap().unmatched, raw(1));
}

#[test]
fn a_transfer_out_takes_its_basis_along_without_a_gain() {
    let outcome = run(r#""events":[
        {"id":"buy","ts":0,"kind":"acquire","asset":"T","qty":"4","decimals":0,"value":"8"},
        {"id":"out","ts":1,"kind":"transfer_out","asset":"T","qty":"3","decimals":0,"value":"999"}]"#);
    assert!(outcome.disposals().len() == 0);
    assert_eq!(outcome.conservation.basis_transferred, usd("6"));
    assert_eq!(outcome.totals.remaining_basis, usd("2"));
}

#[test]
fn a_fee_of_its_own_costs_exactly_the_basis_of_what_paid_it() {
    let outcome = run(r#""events":[
        {"id":"buy","ts":0,"kind":"acquire","asset":"SOL","qty":"10","decimals":0,"value":"500"},
        {"id":"gas","ts":1,"kind":"fee","asset":"SOL","qty":"1","decimals":0,"value":"80"}]"#);
    // Disposed of at 80 against 50: gain 30; expense 80; net -50.
    assert_eq!(outcome.disposals().next().unwrap().leg, DisposalLeg::Fee);
    assert_eq!(outcome.totals.realized_gain, usd("30"));
    assert_eq!(outcome.totals.fee_expense, usd("80"));
    assert_eq!(outcome.totals.net_realized, usd("-50"));
}

#[test]
fn shares_of_negative_proceeds_sum_to_them_exactly() {
    let outcome = run(r#""events":[
        {"id":"known","ts":0,"kind":"acquire","asset":"T","qty":"1","decimals":0,"value":"5"},
        {"id":"unknown","ts":1,"kind":"acquire","asset":"T","qty":"1","decimals":0},
        {"id":"sale","ts":2,"kind":"dispose","asset":"T","qty":"3","decimals":0,"value":"1",
         "fee":{"usd":"2"}}]"#);
    let [sale] = &outcome.disposals().collect::<Vec<_>>()[..] else { panic!("one disposal") };
    // Proceeds 1 - 2 = -1 over three units: -1/3 rounded towards zero for the first, half of the
    // rest for the second, and everything left for the third, which no lot covers.
    let third = format!("-0.{}", "3".repeat(36));
    let rest = format!("-0.{}4", "3".repeat(35));
    assert_eq!(sale.matched_proceeds, usd(&third));
    assert_eq!(sale.unknown_proceeds, usd(&third));
    assert_eq!(sale.unmatched_proceeds, usd(&rest));
    assert_eq!(sale.gain, Some(usd(&format!("-5.{}", "3".repeat(36)))));
    assert_eq!(outcome.totals.proceeds, usd("-1"));
    assert!(outcome.conservation.ok);
}

#[test]
fn thirds_do_not_leak() {
    let outcome = run(r#""events":[
        {"id":"buy","ts":0,"kind":"acquire","asset":"T","qty":"3","decimals":0,"value":"1"},
        {"id":"s1","ts":1,"kind":"dispose","asset":"T","qty":"1","decimals":0,"value":"1"},
        {"id":"s2","ts":2,"kind":"dispose","asset":"T","qty":"1","decimals":0,"value":"1"},
        {"id":"s3","ts":3,"kind":"dispose","asset":"T","qty":"1","decimals":0,"value":"1"}]"#);
    // The last piece takes what is left of the cost: 1/3 + 1/3 + the rest = 1, to the last place.
    assert_eq!(outcome.totals.basis_disposed, usd("1"));
    assert_eq!(outcome.totals.realized_gain, usd("2"));
    assert_eq!(outcome.totals.remaining_basis, usd("0"));
}

#[test]
fn income_is_apart_from_gains_and_makes_a_lot_at_its_value() {
    let outcome = run(r#""events":[
        {"id":"reward","ts":0,"kind":"income","asset":"T","qty":"2","decimals":0,"value":"10"},
        {"id":"sale","ts":1,"kind":"dispose","asset":"T","qty":"1","decimals":0,"value":"7"}]"#);
    // 10 of income; half of the lot, basis 5, sold for 7.
    assert_eq!((outcome.totals.income, outcome.totals.realized_gain), (usd("10"), usd("2")));
    assert_eq!(outcome.totals.net_realized, usd("12"));
}

#[test]
fn holdings_without_a_price_are_listed_and_not_valued() {
    let outcome = run(r#""prices":{"A":"3","B":null},"events":[
        {"id":"a","ts":0,"kind":"acquire","asset":"A","qty":"200","decimals":2,"value":"5"},
        {"id":"b","ts":0,"kind":"acquire","asset":"B","qty":"1","decimals":0,"value":"9"},
        {"id":"c","ts":0,"kind":"acquire","asset":"C","qty":"1","decimals":0}]"#);
    // 2.00 A at 3 are worth 6, bought for 5. B has no price. C has no basis, so no gain to speak of.
    assert_eq!(outcome.totals.unrealized_gain, Some(usd("1")));
    let unpriced = outcome.totals.unpriced_holdings.as_ref().unwrap();
    assert_eq!(unpriced.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["B"]);
}

#[test]
fn zero_quantities_change_no_lot() {
    let outcome = run(r#""events":[
        {"id":"buy","ts":0,"kind":"acquire","asset":"T","qty":"0","decimals":0,"value":"5"},
        {"id":"sale","ts":1,"kind":"dispose","asset":"T","qty":"0","decimals":0,"value":"5"}]"#);
    assert!(outcome.disposals().len() == 0 && outcome.lot_count() == 0);
    assert_eq!(outcome.totals.cost_in, usd("0"));
}

#[test]
fn quantities_beyond_128_bits_are_exact() {
    let outcome = run(r#""events":[
        {"id":"buy","ts":0,"kind":"acquire","asset":"T","decimals":18,
         "qty":"1000000000000000000000000000000000000000000000","price":"0.000000000000000001"},
        {"id":"sale","ts":1,"kind":"dispose","asset":"T","decimals":18,
         "qty":"1000000000000000000000000000000000000000000","price":"0.000000000000000003"}]"#);
    // 1e45 base units are 1e27 tokens for 1e9 USD; 1e24 tokens of them cost 1e6 and bring 3e6.
    assert_eq!(outcome.totals.cost_in, usd("1000000000"));
    assert_eq!(outcome.disposals().next().unwrap().basis, usd("1000000"));
    assert_eq!(outcome.disposals().next().unwrap().gain, Some(usd("2000000")));
}

#[test]
fn events_of_one_second_keep_the_order_of_the_chain() {
    let events = r#""events":[
        {"id":"sale","ts":5,"seq":1,"kind":"dispose","asset":"T","qty":"1","decimals":0,"value":"3"},
        {"id":"buy","ts":5,"seq":2,"kind":"acquire","asset":"T","qty":"1","decimals":0,"value":"1"}]"#;
    // As the chain has it, the sale comes first and nothing covers it.
    assert_eq!(run(events).disposals().next().unwrap().unmatched, raw(1));
    // The convention of others: what comes in within a second is there first.
    let acquired_first = run(&format!(r#""options":{{"same_ts":"acquire_first"}},{events}"#));
    assert_eq!(acquired_first.disposals().next().unwrap().gain, Some(usd("2")));
}

#[test]
fn the_example_of_the_documentation_is_as_it_says() {
    // docs/accounting.md, "A worked example".
    let outcome = run(r#""options":{"quote_assets":["SOL","USDC"]},"events":[
        {"id":"1","ts":1,"kind":"transfer_in","asset":"SOL","qty":"100","decimals":1,"price":"50"},
        {"id":"2","ts":2,"kind":"swap","out":{"asset":"SOL","qty":"20","decimals":1,"price":"100"},
         "in":{"asset":"X","qty":"100","decimals":0},
         "fee":{"asset":"SOL","qty":"1","decimals":1,"price":"100"}},
        {"id":"3","ts":3,"kind":"swap","out":{"asset":"X","qty":"40","decimals":0},
         "in":{"asset":"SOL","qty":"12","decimals":1,"price":"125"},
         "fee":{"asset":"SOL","qty":"1","decimals":1,"price":"125"}},
        {"id":"4","ts":4,"kind":"swap","out":{"asset":"X","qty":"80","decimals":0},
         "in":{"asset":"SOL","qty":"30","decimals":1,"price":"125"}}]"#);
    let gains: Vec<_> = outcome.disposals().filter_map(|disposal| disposal.gain).collect();
    assert_eq!(gains, ["100", "5", "53.5", "7.5", "155.25"].map(usd));
    assert_eq!(outcome.disposals().nth(4).unwrap().unmatched_proceeds, usd("93.75"));
    assert_eq!(outcome.totals.realized_gain, usd("321.25"));
    assert_eq!(outcome.totals.cost_in, usd("1235"));
    assert_eq!(outcome.totals.basis_disposed, usd("320"));
    let lots: Vec<_> = outcome.lots().map(|lot| (lot.lot, lot.quantity, lot.basis)).collect();
    let expected = [("1", 78, "390"), ("3", 12, "150"), ("4", 30, "375")];
    assert_eq!(lots, expected.map(|(lot, tenths, cost)| (lot, raw(tenths), Some(usd(cost)))));
}
