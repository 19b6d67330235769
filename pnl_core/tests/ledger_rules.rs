//! Every row of the table "transaction -> accounting events", worked by hand. SOL is at 100 USD.

mod ledger_support;

use ledger_support::*;
use pnl_core::engine::Window;
use pnl_core::ledger::{LedgerBuilder, LedgerError};
use pnl_core::movement::{TxKind, TxStatus, WalletTransaction};
use pnl_core::{Address, AssetId, Chain, Pin, RawAmount};

/// 5,000 lamports * 100 USD / 1e9 = 0.0005 USD.
const FEE: i64 = 5_000;

#[test]
fn a_failed_transaction_costs_its_fee_and_nothing_else() {
    let failed = line("t").kind(TxKind::FeeOnly).fee(FEE).with(|tx| tx.status = TxStatus::Failed);
    assert_eq!(shorts(&booked(failed)), ["fee: fee native -5000 = 0.0005"]);
}

#[test]
fn fee_and_tips_alone_are_fee_events_of_their_own() {
    // 10,000 lamports * 100 / 1e9 = 0.001.
    let events = booked(line("t").kind(TxKind::None).fee(FEE).tips(10_000));
    let expected = ["fee: fee native -5000 = 0.0005", "fee: fee native -10000 = 0.001"];
    assert_eq!(shorts(&events), expected);
    assert_eq!([&*events[0].id, &*events[1].id], ["t:0", "t:1"]);
}

#[test]
fn a_transaction_that_cost_nothing_books_nothing() {
    assert_eq!(booked(line("t").fee(0)), []);
    assert_eq!(booked(line("t").unsigned()), []);
}

#[test]
fn one_asset_against_one_other_is_a_swap_with_one_value_and_its_fees() {
    // 1 SOL -> 500 X: V = 1 * 100 from the native side.
    let swap = line("t").kind(TxKind::Swap).sol(-SOL).net("X", 500, 0).fee(FEE).tips(10_000);
    let events = booked(swap);
    assert_eq!(
        shorts(&events),
        [concat!(
            "swap: out native -1000000000 = 100, in X 500 = 100, ",
            "fee native -5000 = 0.0005, fee native -10000 = 0.001"
        )]
    );
    let [sold, bought, fee, _] = &events[0].legs[..] else { panic!("four legs") };
    assert_eq!((sold.price_source.as_deref(), sold.price_time), (Some("csv"), Some(NOON)));
    assert_eq!((bought.price_source.as_deref(), bought.price_time), (Some("exchange"), Some(NOON)));
    assert_eq!(fee.price_source.as_deref(), Some("csv"));
}

#[test]
fn a_stable_swap_is_at_par_and_its_fee_at_the_price_of_the_native_coin() {
    // 5 USDC -> 4.99 USDT: equal ranks, the sold side decides: V = 5.
    let swap =
        line("t").kind(TxKind::Swap).net(USDC, -5_000_000, 6).net(USDT, 4_990_000, 6).fee(FEE);
    assert_eq!(
        shorts(&booked(swap)),
        ["swap: out USDC -5000000 = 5, in USDT 4990000 = 5, fee native -5000 = 0.0005"]
    );
}

#[test]
fn a_swap_of_two_unpriced_tokens_has_no_value() {
    let swap = line("t").kind(TxKind::Swap).net("X", -5, 0).net("Y", 7, 0);
    assert_eq!(shorts(&booked(swap)), ["swap: out X -5 = ?, in Y 7 = ?"]);
}

#[test]
fn several_assets_on_a_side_are_disposed_of_and_acquired_one_by_one() {
    // 10 USDC + 3 X -> 1 SOL: V = 100, X = 100 - 10 = 90. X is no quote asset, so the fee goes with
    // the first asset out.
    let swap = line("t").sol(SOL).net(USDC, -10_000_000, 6).net("X", -3, 0).fee(FEE).tips(10_000);
    assert_eq!(
        shorts(&booked(swap)),
        [
            "dispose: out USDC -10000000 = 10, fee native -5000 = 0.0005, fee native -10000 = 0.001",
            "dispose: out X -3 = 90",
            "acquire: in native 1000000000 = 100",
        ]
    );
    // 120 USDC + X -> 1 SOL: nothing is left for X; USDC is scaled to 100.
    let swap = line("t").sol(SOL).net(USDC, -120_000_000, 6).net("X", -3, 0);
    assert_eq!(
        shorts(&booked(swap)),
        [
            "dispose: out USDC -120000000 = 100",
            "dispose: out X -3 = ?",
            "acquire: in native 1000000000 = 100",
        ]
    );
    // X -> Y + 1 SOL: no side is priced as a whole.
    let swap = line("t").sol(SOL).net("X", -3, 0).net("Y", 4, 0);
    assert_eq!(
        shorts(&booked(swap)),
        ["dispose: out X -3 = ?", "acquire: in native 1000000000 = 100", "acquire: in Y 4 = ?",]
    );
}

#[test]
fn when_only_quote_assets_left_the_fee_goes_with_the_first_asset_that_came_in() {
    // 1 SOL + 50 USDC -> X + Y. SOL and USDC are currencies: V = 150, two unknown legs stay unknown.
    let bought =
        line("t").sol(-SOL).net(USDC, -50_000_000, 6).net("X", 3, 0).net("Y", 4, 0).fee(FEE);
    assert_eq!(
        shorts(&booked(bought)),
        [
            "dispose: out native -1000000000 = 100",
            "dispose: out USDC -50000000 = 50",
            "acquire: in X 3 = ?, fee native -5000 = 0.0005",
            "acquire: in Y 4 = ?",
        ]
    );
}

#[test]
fn an_exchange_for_nothing_leaves_the_other_leg_unknown() {
    // X is worthless by its provider, so V = 0, and Y would be 0 - 0: not positive, unknown. A swap
    // has one value for both legs, therefore two events.
    let book = FixedBook::sol_at_100().and("X", "0");
    let swap = line("t").kind(TxKind::Swap).net("X", -3, 0).net("Y", 4, 0).fee(FEE);
    let events = builder().push(&swap, &book).unwrap();
    assert_eq!(
        shorts(&events),
        ["dispose: out X -3 = 0, fee native -5000 = 0.0005", "acquire: in Y 4 = ?"]
    );
}

#[test]
fn what_only_comes_in_or_goes_out_is_a_transfer_at_market() {
    let received = line("t").kind(TxKind::TransferIn).unsigned().sol(2 * SOL);
    assert_eq!(shorts(&booked(received)), ["transfer_in: in native 2000000000 = 200"]);
    let sent = line("t").kind(TxKind::TransferOut).net(USDC, -7_500_000, 6).fee(FEE);
    assert_eq!(
        shorts(&booked(sent)),
        ["transfer_out: out USDC -7500000 = 7.5", "fee: fee native -5000 = 0.0005"]
    );
    // A deposit into a pool that hands back no token.
    let deposited =
        line("t").kind(TxKind::Liquidity).through_an_exchange().sol(-SOL).net("X", -3, 0);
    assert_eq!(
        shorts(&booked(deposited)),
        ["transfer_out: out native -1000000000 = 100", "transfer_out: out X -3 = ?"]
    );
}

#[test]
fn a_claim_is_income_also_of_several_assets() {
    let book = FixedBook::sol_at_100().and("R", "0.25");
    let claim = line("t").kind(TxKind::Claim).sol(SOL).net("R", 400, 2).net("S", 5, 0).fee(FEE);
    // R: 4.00 * 0.25 = 1.
    assert_eq!(
        shorts(&builder().push(&claim, &book).unwrap()),
        [
            "income: in native 1000000000 = 100",
            "income: in R 400 = 1",
            "income: in S 5 = ?",
            "fee: fee native -5000 = 0.0005",
        ]
    );
}

#[test]
fn a_round_trip_through_an_exchange_is_income_or_a_loss() {
    let won = line("t").kind(TxKind::Swap).through_an_exchange().net(USDC, 31_007, 6).fee(FEE);
    assert_eq!(
        shorts(&booked(won)),
        ["income: in USDC 31007 = 0.031007", "fee: fee native -5000 = 0.0005"]
    );
    // 63,499 lamports * 100 / 1e9 = 0.0063499.
    let lost = line("t").through_an_exchange().sol(-63_499).fee(FEE);
    let events = booked(lost);
    assert_eq!(
        shorts(&events),
        ["fee: out native -63499 = 0.0063499", "fee: fee native -5000 = 0.0005"]
    );
}

#[test]
fn a_movement_is_no_round_trip_when_it_has_another_purpose_or_another_signer() {
    let one_way = |tx| shorts(&booked(tx)).remove(0);
    let through = || line("t").through_an_exchange();
    for kind in [TxKind::TransferIn, TxKind::OwnTransfer, TxKind::Mint, TxKind::Nft, TxKind::Spam] {
        assert_eq!(one_way(through().kind(kind).sol(5)), "transfer_in: in native 5 = 0.0000005");
    }
    for kind in [TxKind::TransferOut, TxKind::Burn, TxKind::Order, TxKind::Liquidity] {
        assert_eq!(
            one_way(through().kind(kind).sol(-5)),
            "transfer_out: out native -5 = 0.0000005"
        );
    }
    let unsigned = through().kind(TxKind::Swap).unsigned().sol(5);
    assert_eq!(one_way(unsigned), "transfer_in: in native 5 = 0.0000005");
    let elsewhere = line("t").kind(TxKind::Swap).sol(-5);
    assert_eq!(one_way(elsewhere), "transfer_out: out native -5 = 0.0000005");
    let two_assets = through().kind(TxKind::Swap).sol(-5).net("X", -1, 0);
    assert_eq!(one_way(two_assets), "transfer_out: out native -5 = 0.0000005");
}

#[test]
fn what_comes_back_from_a_keeper_has_its_basis_reset() {
    for kind in [TxKind::Stake, TxKind::Lend, TxKind::Order, TxKind::Liquidity, TxKind::Bridge] {
        let back = line("t").kind(kind).through_an_exchange().sol(SOL).net("X", 3, 0);
        assert_eq!(
            shorts(&booked(back)),
            [
                "transfer_in: in native 1000000000 = 100 basis_reset",
                "transfer_in: in X 3 = ? basis_reset",
            ]
        );
    }
    let mut ledger = builder();
    let book = FixedBook::sol_at_100();
    for id in ["a", "b"] {
        ledger.push(&line(id).kind(TxKind::Stake).sol(SOL), &book).unwrap();
    }
    let native = &ledger.facts().assets[&AssetId::native()];
    assert_eq!(native.basis_reset, RawAmount::from(2_000_000_000u64));
    assert_eq!(native.basis_reset_events, 2);
}

#[test]
fn wrap_unwrap_own_moves_and_approvals_are_only_their_fee() {
    for kind in [TxKind::Wrap, TxKind::Unwrap, TxKind::OwnTransfer, TxKind::Approve] {
        let events = booked(line("t").kind(kind).fee(FEE));
        assert_eq!(shorts(&events), ["fee: fee native -5000 = 0.0005"]);
    }
}

#[test]
fn amounts_win_over_labels() {
    // Labelled as a wrap, but 3 X left for 1 SOL: that is what happened.
    let swap = line("t").kind(TxKind::Wrap).sol(SOL).net("X", -3, 0);
    assert_eq!(shorts(&booked(swap)), ["swap: out X -3 = 100, in native 1000000000 = 100"]);
    let swap = line("t").kind(TxKind::Claim).sol(-SOL).net("X", 3, 0);
    assert_eq!(shorts(&booked(swap)), ["swap: out native -1000000000 = 100, in X 3 = 100"]);
    let sent = line("t").kind(TxKind::Claim).sol(-5);
    assert_eq!(shorts(&booked(sent)), ["transfer_out: out native -5 = 0.0000005"]);
    let sent = line("t").kind(TxKind::OwnTransfer).sol(-5);
    assert_eq!(shorts(&booked(sent)), ["transfer_out: out native -5 = 0.0000005"]);
}

#[test]
fn rent_moves_to_the_pool_and_back_at_most_what_the_pool_holds() {
    let mut ledger = builder();
    let book = FixedBook::sol_at_100();
    // 2,039,280 lamports * 100 / 1e9 = 0.203928.
    let deposit = ledger.push(&line("a").rent(-2_039_280).fee(FEE), &book).unwrap();
    assert_eq!(
        shorts(&deposit),
        [
            "transfer_out: rent native -2039280 = 0.203928 linked",
            "transfer_in pool: 2039280 linked",
            "fee: fee native -5000 = 0.0005",
        ]
    );
    assert_eq!((&*deposit[0].wallet, &*deposit[1].wallet), (WALLET, "Wa11et#rent"));
    assert_eq!(deposit[0].link, deposit[1].link);
    assert_eq!(ledger.facts().rent_pool, RawAmount::from(2_039_280u64));

    // 3,000,000 come back, 2,039,280 of them from the pool; the rest, 960,720, at market: 0.096072.
    let refund = ledger.push(&line("b").rent(3_000_000), &book).unwrap();
    assert_eq!(
        shorts(&refund),
        [
            "transfer_out pool: -2039280 linked",
            "transfer_in: rent native 2039280 = 0.203928 linked",
            "transfer_in: rent native 960720 = 0.096072",
        ]
    );
    assert_ne!(deposit[0].link, refund[0].link);
    assert_eq!(ledger.facts().rent_pool, RawAmount::ZERO);

    // Nothing left in the pool.
    let refund = ledger.push(&line("c").rent(1_000), &book).unwrap();
    assert_eq!(shorts(&refund), ["transfer_in: rent native 1000 = 0.0001"]);
}

#[test]
fn rent_goes_beside_a_swap_and_between_it_and_other_fees() {
    let swap = line("t").kind(TxKind::Swap).sol(-SOL).net("X", 3, 0).rent(-1_000).fee(FEE);
    assert_eq!(
        shorts(&booked(swap)),
        [
            "swap: out native -1000000000 = 100, in X 3 = 100, fee native -5000 = 0.0005",
            "transfer_out: rent native -1000 = 0.0001 linked",
            "transfer_in pool: 1000 linked",
        ]
    );
    let sent = line("t").sol(-5).rent(-1_000).fee(FEE);
    assert_eq!(
        shorts(&booked(sent)),
        [
            "transfer_out: out native -5 = 0.0000005",
            "transfer_out: rent native -1000 = 0.0001 linked",
            "transfer_in pool: 1000 linked",
            "fee: fee native -5000 = 0.0005",
        ]
    );
}

#[test]
fn an_unpriced_token_that_nobody_asked_for_is_unsolicited() {
    let gift = |tx| shorts(&booked(tx)).remove(0);
    let spam = || line("t").kind(TxKind::Spam).unsigned();
    assert_eq!(gift(spam().net("X", 1_000, 0)), "transfer_in: in X 1000 = ? unsolicited");
    // Priced, or signed for, or native: not unsolicited.
    assert_eq!(gift(spam().net(USDC, 1_000_000, 6)), "transfer_in: in USDC 1000000 = 1");
    assert_eq!(gift(line("t").net("X", 1_000, 0)), "transfer_in: in X 1000 = ?");
    assert_eq!(gift(spam().sol(1)), "transfer_in: in native 1 = 0.0000001");
    // Sold by a keeper on behalf of the wallet: both directions, hence an exchange.
    let fill = line("t").kind(TxKind::Order).unsigned().sol(SOL).net("X", -3, 0);
    assert_eq!(gift(fill), "swap: out X -3 = 100, in native 1000000000 = 100");
    // The native coin without a price is still no token.
    let unpriced = FixedBook(Default::default());
    let events = builder().push(&spam().sol(1), &unpriced).unwrap();
    assert_eq!(shorts(&events), ["transfer_in: in native 1 = ?"]);
    // The flag is kept for the token row.
    let mut ledger = builder();
    ledger.push(&spam().net("X", 1_000, 0), &unpriced).unwrap();
    assert!(ledger.facts().assets[&AssetId::new("X")].unsolicited);
}

#[test]
fn unknown_decimals_are_unpriced_and_written_as_zero() {
    let book = FixedBook::sol_at_100().and("X", "5");
    let mut ledger = builder();
    let received = ledger.push(&line("a").net_without_decimals("X", 700), &book).unwrap();
    assert_eq!(shorts(&received), ["transfer_in: in X 700 = ?"]);
    assert_eq!(received[0].legs[0].decimals, None);
    let event = received[0].to_event(0).unwrap().unwrap();
    let pnl_core::event::EventKind::TransferIn { leg, .. } = event.kind else { panic!("in") };
    assert_eq!((leg.decimals, leg.value), (0, None));
    // A history with two numbers of decimals for one asset does not add up: the first one stays.
    let later = ledger.push(&line("b").net("X", 700, 2), &book).unwrap();
    assert_eq!((later[0].legs[0].decimals, later[0].legs[0].value), (None, None));
    assert_eq!(ledger.facts().differing_decimals, 1);
}

#[test]
fn a_value_beyond_any_money_is_unknown() {
    // 9e18 whole tokens at 1e15 USD = 9e33 USD.
    let book = FixedBook::sol_at_100().and("X", "1000000000000000");
    let mut ledger = builder();
    let received = line("t").unsigned().net("X", 9_000_000_000_000_000_000, 0);
    let events = ledger.push(&received, &book).unwrap();
    assert_eq!(shorts(&events), ["transfer_in: in X 9000000000000000000 = ? unsolicited"]);
    assert_eq!(ledger.facts().absurd_values, 1);
}

#[test]
fn time_never_runs_backwards_and_prices_are_asked_at_that_time() {
    let lines = [
        line("a").with(|tx| tx.block_time = None).fee(FEE),
        line("b").at(NOON + 10).fee(FEE),
        line("c").at(NOON).fee(FEE),
        line("d").with(|tx| tx.block_time = None).fee(FEE),
        line("e").at(NOON + 11).fee(FEE),
    ];
    let mut ledger = builder();
    let asked: Vec<i64> = ledger.price_requests(&lines).iter().map(|ask| ask.at).collect();
    assert_eq!(asked, [0, NOON + 10, NOON + 11]);
    let mut booked = vec![];
    for line in &lines {
        let event = ledger.push(line, &FixedBook::sol_at_100()).unwrap().remove(0);
        booked.push((event.block_time, event.ts));
    }
    let expected = [
        (None, 0),
        (Some(NOON + 10), NOON + 10),
        (Some(NOON), NOON + 10),
        (None, NOON + 10),
        (Some(NOON + 11), NOON + 11),
    ];
    assert_eq!(booked, expected);
    assert_eq!(ledger.facts().missing_block_time, 2);
    // Half-open: four are at or after NOON + 10, one of them at NOON + 11.
    let count = |from, to| {
        let mut ledger = builder_of(Window { from, to });
        for line in &lines {
            ledger.push(line, &FixedBook::sol_at_100()).unwrap();
        }
        ledger.transactions_in_window()
    };
    assert_eq!(count(None, None), 5);
    assert_eq!(count(Some(NOON + 10), Some(NOON + 11)), 3);
    assert_eq!(count(Some(NOON + 11), None), 1);
}

#[test]
fn a_ledger_that_goes_on_from_a_stored_state_is_the_one_that_was_never_interrupted() {
    let book = FixedBook::sol_at_100();
    let lines: Vec<WalletTransaction> = (0..12i64)
        .map(|n| {
            let line = line(&format!("t{n}")).at(NOON + n * 60).fee(FEE);
            let line = if n % 3 == 0 { line.unexplained("X", n + 1) } else { line };
            line.with(|tx| {
                tx.rent = if n % 2 == 0 { "-2039280" } else { "2039280" }.parse().unwrap()
            })
        })
        .collect();
    let window = Window { from: Some(NOON + 120), to: Some(NOON + 500) };
    let mut whole = builder_of(window);
    let mut interrupted = builder_of(window);
    for line in &lines {
        let text = serde_json::to_string(&interrupted.state()).unwrap();
        let state = serde_json::from_str(&text).unwrap();
        interrupted = builder_of(window).resume(state).unwrap();
        assert_eq!(interrupted.push(line, &book), whole.push(line, &book));
        assert_eq!(interrupted.state(), whole.state());
    }
    let pin = pnl_core::Pin { block: 99, block_time: NOON + 9_000 };
    assert_eq!(interrupted.input_hash("p", &pin), whole.input_hash("p", &pin));
    assert_eq!(interrupted.price_set_hash(), whole.price_set_hash());
    assert_eq!(interrupted.transactions_in_window(), 7);
}

#[test]
fn what_the_parser_could_not_explain_is_summed_and_becomes_no_event() {
    let mut ledger = builder();
    let book = FixedBook::sol_at_100();
    for id in ["a", "b"] {
        let events = ledger.push(&line(id).unexplained("X", 21), &book).unwrap();
        assert_eq!(events, []);
    }
    assert_eq!(ledger.facts().unexplained[&AssetId::new("X")].to_string(), "42");
    assert_eq!(ledger.facts().unexplained_transactions, 2);
    assert!(ledger.facts().assets.is_empty());
}

#[test]
fn prices_at_the_pin_are_those_of_what_is_held() {
    let pin = pnl_core::Pin { block: 9, block_time: NOON + 3_600 };
    let mut ledger = builder();
    let book = FixedBook::sol_at_100().and("X", "2").and("Y", "3");
    for tx in [
        line("a").net("X", 5, 0).net("Y", 5, 0).net_without_decimals("Z", 5),
        line("b").net("Y", -6, 0),
    ] {
        ledger.push(&tx, &book).unwrap();
    }
    // Y is gone, Z has no decimals, USDC and USDT need no source.
    let asked: Vec<_> = ledger.pin_requests(&pin).into_iter().map(|ask| ask.asset).collect();
    assert_eq!(asked, [AssetId::native(), AssetId::new("X")]);
    let prices = ledger.pin_prices(&pin, &book);
    let text: Vec<String> =
        prices.iter().map(|(asset, price)| format!("{asset} {price}")).collect();
    assert_eq!(text, ["native 100", &format!("{USDC} 1"), &format!("{USDT} 1"), "X 2"]);
}

#[test]
fn a_line_that_breaks_its_form_is_refused() {
    let refused = |tx| builder().push(&tx, &FixedBook::sol_at_100()).unwrap_err();
    let foreign = line("t").with(|tx| tx.wallet = Address::from_chain_data("other"));
    assert_eq!(refused(foreign).code(), "ledger-foreign-wallet");
    let foreign = line("t").with(|tx| tx.chain = Chain::Base);
    assert_eq!(refused(foreign).code(), "ledger-foreign-chain");
    assert_eq!(refused(line("t").fee(-1)).code(), "ledger-bad-fee");
    assert_eq!(refused(line("t").tips(-1)).code(), "ledger-bad-fee");
    assert_eq!(refused(line("t").sol(0)).code(), "ledger-bad-net");
    assert_eq!(refused(line("t").sol(1).sol(2)).code(), "ledger-bad-net");
}

#[test]
fn a_stored_event_without_its_legs_is_an_error_and_an_excluded_one_is_no_event() {
    let mut event = booked(line("t").sol(-5).net("X", 1, 0)).remove(0);
    event.excluded = true;
    assert_eq!(event.to_event(0), Ok(None));
    event.excluded = false;
    event.legs.pop();
    assert_eq!(event.to_event(0), Err(LedgerError::BadEvent { event: "t:0".to_owned() }));
}

#[test]
fn a_movement_that_balances_contradict_is_shown_and_not_in_the_accounts() {
    let fake = std::collections::BTreeSet::from([AssetId::new("FAKE")]);
    let mut builder = builder().excluding(fake);
    // Beside the lie something real left: 1 SOL.
    let tx = line("t").kind(TxKind::Other).sol(-SOL).net("FAKE", 7, 0).fee(FEE);
    let events = builder.push(&tx, &FixedBook::sol_at_100()).unwrap();
    assert_eq!(
        shorts(&events),
        [
            "transfer_out: out native -1000000000 = 100",
            "fee: fee native -5000 = 0.0005",
            "transfer_in: in FAKE 7 = ?"
        ]
    );
    assert_eq!(events.iter().map(|event| event.excluded).collect::<Vec<_>>(), [false, false, true]);
    assert!(events[2].to_event(0).unwrap().is_none());
    assert!(!builder.facts().assets.contains_key(&AssetId::new("FAKE")));
    let hash =
        |builder: LedgerBuilder| builder.input_hash("p", &Pin { block: 9, block_time: NOON });
    let mut whole = ledger_support::builder();
    whole.push(&tx, &FixedBook::sol_at_100()).unwrap();
    assert_ne!(hash(builder), hash(whole), "what is left out is an input");
}

#[test]
fn beside_what_is_left_out_there_is_no_round_trip() {
    let fake = || std::collections::BTreeSet::from([AssetId::new("FAKE")]);
    let through = |tx: WalletTransaction| {
        let tx = tx.kind(TxKind::Swap).through_an_exchange().fee(FEE);
        shorts(&builder().excluding(fake()).push(&tx, &FixedBook::sol_at_100()).unwrap())
    };
    let too_large = |tx: WalletTransaction| tx.with(|tx| tx.too_large = vec![AssetId::new("HUGE")]);
    const PAID: &str = "fee: fee native -5000 = 0.0005";
    let bought = line("t").net(USDC, -100_000_000, 6);
    let sent = "transfer_out: out USDC -100000000 = 100";
    assert_eq!(
        through(bought.clone().net("FAKE", 7, 0)),
        [sent, PAID, "transfer_in: in FAKE 7 = ?"]
    );
    assert_eq!(through(too_large(bought.clone())), [sent, PAID]);
    let sold = line("t").sol(SOL);
    let received = "transfer_in: in native 1000000000 = 100";
    assert_eq!(
        through(sold.clone().net("FAKE", -7, 0)),
        [received, PAID, "transfer_out: out FAKE -7 = ?"]
    );
    assert_eq!(through(too_large(sold.clone())), [received, PAID]);
    // With nothing left out there is one.
    assert_eq!(through(bought), ["fee: out USDC -100000000 = 100", PAID]);
    assert_eq!(through(sold), ["income: in native 1000000000 = 100", PAID]);
}
