//! Tokens of which the wallets of a group together have more than can be.

#![allow(clippy::unwrap_used, reason = "a failure of a helper is a failure of the test")]

mod ledger_support;

use std::collections::BTreeMap;

use ledger_support::groups::*;
use ledger_support::*;
use pnl_core::engine::{Options, Scope};
use pnl_core::ledger::{LedgerBuilder, LedgerEvent, LedgerKind};
use pnl_core::{Address, AssetId, Method, RawAmount, RawDelta, WalletTransaction, Window};

/// 2^256 - 1.
fn most() -> RawDelta {
    "115792089237316195423570985008687907853269984665640564039457584007913129639935"
        .parse()
        .unwrap()
}

fn of_huge(tx: WalletTransaction, asset: &str, raw: RawDelta) -> WalletTransaction {
    tx.net(asset, 1, 0).with(|tx| tx.net.last_mut().unwrap().raw = raw)
}

fn huge(tx: WalletTransaction, raw: RawDelta) -> WalletTransaction {
    of_huge(tx, "Huge", raw)
}

#[test]
fn a_token_that_is_too_much_for_the_group_alone_is_set_aside_and_the_rest_is_exact() {
    let most = most();
    // A sends 4 X to B and pays with another one for as much as B was given: together more than fits.
    let of_a = [
        tx(1).net("X", 10, 0),
        tx(3).net("X", -4, 0).fee(5_000),
        huge(tx(4).net("X", -1, 0).fee(5_000), most).through_an_exchange(),
    ];
    let of_b = [
        huge(tx(2), most).unsigned(),
        tx(3).net("X", 4, 0).unsigned(),
        tx(5).net("X", -4, 0).net(USDC, 20_000_000, 6).through_an_exchange(),
    ];
    let [mut a, mut b] =
        [("A", &of_a[..]), ("B", &of_b)].map(|(name, lines)| booked_wallet(name, lines, &book()));
    assert!(a.events.iter().any(|event| event.kind == LedgerKind::Swap));
    for options in [|options| options, |options| Options { scope: Scope::Global, ..options }] {
        let Grouped { events, group, report, .. } =
            grouped_by(&[a.clone(), b.clone()], Method::Fifo, options);
        let paid = &events[events.len() - 4..events.len() - 1];
        assert_eq!(
            shorts(paid),
            [
                "transfer_out: out X -1 = 2".to_owned(),
                format!("transfer_in: in Huge {most} = ?"),
                "fee: fee native -5000 = 0.0005".to_owned(),
            ]
        );
        let huge = AssetId::new("Huge");
        let is_huge = |event: &LedgerEvent| event.legs.iter().any(|leg| leg.asset == huge);
        assert!(events.iter().all(|event| event.excluded == is_huge(event)));
        assert!(!group.history.facts.assets.contains_key(&huge));
        let doubts = &group.history.facts.doubts.as_ref().unwrap()[&huge];
        assert_eq!((doubts.transactions.len(), doubts.raw), (2, None));
        assert_eq!(report.moves, 1);
        assert_eq!(report.report.realized_gain_usd, "12".parse().unwrap(), "20 - 4 * 2");
    }

    // What contracts claim can be too much as well: then it is no balance, and not complete.
    let claimed = |huge: RawDelta| {
        Some(BTreeMap::from([
            (AssetId::new("Huge"), huge.magnitude()),
            (AssetId::native(), RawAmount::ZERO),
        ]))
    };
    (a.history.balances, b.history.balances) = (claimed(most), claimed(most));
    let Grouped { group, report, .. } = grouped(&[a, b]);
    let balances = group.history.balances.unwrap();
    assert_eq!(balances.into_keys().collect::<Vec<_>>(), [AssetId::native()]);
    assert!(group.history.compared_elsewhere.differing.contains(&AssetId::new("Huge")));
    assert!(!report.report.coverage.complete && !report.report.conservation.ok);
}

#[test]
fn a_token_that_the_group_claims_beside_all_that_left_is_set_aside() {
    // 2^254, so many times.
    let quarters = |count: u32| {
        let one = "28948022309329048855892746252171976963317496166410141009864396001978282409984";
        let one: RawAmount = one.parse().unwrap();
        (1..count).fold(one, |sum, _| sum.checked_add(one).unwrap())
    };
    let of_a = [huge(tx(1), quarters(2).into_delta().opposite()).unsigned()];
    let of_b = [huge(tx(2), RawDelta::from(1_i64)).unsigned(), tx(3).net("X", 1, 0)];
    let [mut a, mut b] =
        [("A", &of_a[..]), ("B", &of_b)].map(|(name, lines)| booked_wallet(name, lines, &book()));
    let claims = |raw: RawAmount| Some(BTreeMap::from([(AssetId::new("Huge"), raw)]));
    (a.history.balances, b.history.balances) = (claims(RawAmount::ZERO), claims(quarters(3)));
    let Grouped { events, group, report, .. } = grouped(&[a, b]);
    assert_eq!(events.iter().map(|event| event.excluded).collect::<Vec<_>>(), [true, true, false]);
    assert!(!group.history.facts.assets.contains_key(&AssetId::new("Huge")));
    assert_eq!(group.history.balances, claims(quarters(3)));
    assert!(!report.report.conservation.ok);
}

#[test]
fn exchanges_for_what_is_set_aside_keep_nothing_of_their_values() {
    let dear = FixedBook::sol_at_100().and("X", "50").and("Huge", "1000000000");
    let small = RawDelta::from(1_000_000_i64);
    let through = |tx: WalletTransaction| tx.through_an_exchange().fee(5_000);
    let of_a = [
        // X came with something dear, so that next to nothing of the price was for X.
        through(huge(tx(1).net(USDC, -100_000_000, 6).net("X", 1, 0), small)),
        // Beside two that are left out.
        through(of_huge(huge(tx(2).sol(-SOL), small), "Huge2", small)),
        // What is unpriced was worth what was given for it.
        through(huge(tx(3), RawDelta::from(-1_i64)).net("Y", 5, 0)),
        through(tx(4).sol(-SOL).net("X", 2, 0)),
    ];
    let give = |tx| of_huge(huge(tx, most()), "Huge2", most()).unsigned();
    let [a, b] = [("A", &of_a[..]), ("B", &[give(tx(5))])]
        .map(|(name, lines)| booked_wallet(name, lines, &dear));
    let kinds = |events: &[LedgerEvent]| events.iter().map(|event| event.kind).collect::<Vec<_>>();
    use LedgerKind::{Acquire, Dispose, Swap};
    assert_eq!(
        kinds(&a.events),
        [Dispose, Acquire, Acquire, Dispose, Acquire, Acquire, Swap, Swap]
    );
    let events = grouped(&[a, b]).events;
    let kept: Vec<LedgerEvent> = events.into_iter().filter(|event| !event.excluded).collect();
    assert_eq!(
        shorts(&kept),
        [
            "transfer_out: out USDC -100000000 = 100",
            "transfer_in: in X 1 = ?",
            "fee: fee native -5000 = 0.0005",
            "transfer_out: out native -1000000000 = 100",
            "fee: fee native -5000 = 0.0005",
            "transfer_in: in Y 5 = ?",
            "fee: fee native -5000 = 0.0005",
            "swap: out native -1000000000 = 100, in X 2 = 100, fee native -5000 = 0.0005",
        ]
    );
}

#[test]
fn what_wallets_doubt_of_a_token_is_kept_when_it_is_set_aside() {
    let huge_asset = AssetId::new("Huge");
    let wallet = Address::from_chain_data("A");
    let mut ledger = LedgerBuilder::new(wallet.clone(), rules(), Window::ALL)
        .excluding([huge_asset.clone()].into());
    let mut a = booked_wallet("A", &[], &book());
    for line in [
        tx(1).with(|tx| tx.too_large = vec![huge_asset.clone()]),
        huge(tx(2), RawDelta::from(3_i64)),
    ] {
        let line = WalletTransaction { wallet: wallet.clone(), ..line };
        a.events.extend(ledger.push(&line, &book()).unwrap());
    }
    a.history.facts = ledger.facts().clone();
    let give = |number| [huge(tx(number), most()).unsigned()];
    let [b, c] =
        [("B", give(3)), ("C", give(4))].map(|(name, lines)| booked_wallet(name, &lines, &book()));
    let Grouped { group, .. } = grouped(&[a, b, c]);
    let doubts = &group.history.facts.doubts.as_ref().unwrap()[&huge_asset];
    let told: Vec<_> =
        doubts.transactions.iter().map(|one| format!("{} {:?}", one.tx_id, one.why)).collect();
    assert_eq!(told, ["t1 TooLarge", "t2 Excluded", "t3 Excluded", "t4 Excluded"]);
    assert_eq!((doubts.more, doubts.raw), (0, None));
}
