//! Random histories of a wallet.

use pnl_core::movement::{TxKind, WalletTransaction};
use proptest::prelude::*;

use super::{LineExt, NOON, USDC, USDT, line};

const KINDS: [TxKind; 20] = [
    TxKind::Swap,
    TxKind::TransferIn,
    TxKind::TransferOut,
    TxKind::OwnTransfer,
    TxKind::Wrap,
    TxKind::Unwrap,
    TxKind::Approve,
    TxKind::Stake,
    TxKind::Lend,
    TxKind::Liquidity,
    TxKind::Order,
    TxKind::Bridge,
    TxKind::Claim,
    TxKind::Mint,
    TxKind::Burn,
    TxKind::Nft,
    TxKind::Spam,
    TxKind::FeeOnly,
    TxKind::None,
    TxKind::Other,
];

/// Asset and decimals; `Z` never says how many it has. `X` is priced in [`super::FixedBook`]s that
/// name it.
const ASSETS: [(&str, Option<u8>); 6] = [
    ("native", Some(9)),
    (USDC, Some(6)),
    (USDT, Some(6)),
    ("X", Some(4)),
    ("Y", Some(0)),
    ("Z", None),
];

/// A change of up to 50 whole SOL, small ones as likely as large ones.
fn raw() -> impl Strategy<Value = i64> {
    prop_oneof![-20i64..20, -5_000_000i64..5_000_000, -50_000_000_000i64..50_000_000_000]
        .prop_filter("zero rows are left out", |raw| *raw != 0)
}

/// Sometimes nothing, else up to so many lamports.
fn up_to(lamports: i64) -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 0..lamports]
}

prop_compose! {
    fn transaction()(
        kind in proptest::sample::select(&KINDS[..]),
        net in proptest::sample::subsequence(&ASSETS[..], 0..=4)
            .prop_flat_map(|assets| {
                let count = assets.len();
                (Just(assets), proptest::collection::vec(raw(), count))
            }),
        fee in proptest::option::of(up_to(200_000)),
        tips in up_to(1_000_000),
        rent in prop_oneof![Just(0), -5_000_000i64..5_000_000],
        unexplained in proptest::option::of(raw()),
        step in -3_600i64..7_200,
        (signed, exchange, timed) in (any::<bool>(), any::<bool>(), proptest::bool::weighted(0.9)),
    ) -> (WalletTransaction, i64) {
        let mut tx = line("").kind(kind).tips(tips).rent(rent).with(|tx| {
            tx.signed = signed;
            tx.exchange = exchange;
        });
        for ((asset, decimals), raw) in net.0.into_iter().zip(net.1) {
            tx = match decimals {
                Some(decimals) => tx.net(asset, raw, decimals),
                None => tx.net_without_decimals(asset, raw),
            };
        }
        if let Some(fee) = fee {
            tx = tx.fee(fee);
        }
        if let Some(raw) = unexplained {
            tx = tx.unexplained("Y", raw);
        }
        if !timed {
            tx.block_time = None;
        }
        (tx, step)
    }
}

/// Up to so many transactions in chain order; block times mostly grow, some are missing.
pub fn history(most: usize) -> impl Strategy<Value = Vec<WalletTransaction>> {
    proptest::collection::vec(transaction(), 0..=most).prop_map(|steps| {
        let mut time = NOON;
        let number = |(n, (tx, step)): (usize, (WalletTransaction, i64))| {
            time += step;
            tx.with(|tx| {
                tx.tx_id = pnl_core::TxId::new(&format!("tx{n}"));
                tx.block = n as u64;
                tx.order.block = tx.block;
                tx.block_time = tx.block_time.map(|_| time);
            })
        };
        steps.into_iter().enumerate().map(number).collect()
    })
}
