//! Results of a batch, latest figures, summary.

use std::collections::BTreeSet;

use chrono::DateTime;
use persistence_layer::Store;
use persistence_layer::Tenant;
use persistence_layer::batches::{self, Admission, BatchId, NewBatch};
use persistence_layer::results::{
    LatestCursor, LatestList, LatestPlace, LatestRow, LatestSort, SummaryRow, count_latest, latest,
    page, summary,
};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, FinishedWallet, TaskState, WorkerId};
use pnl_core::{Address, Chain, Pin, WalletRef};

use crate::support::{
    claim, claim_one, everybodys, failed, finish, finished, new_batch, submit, transition, usd,
};

async fn store_result(
    store: &Store,
    wallet: usize,
    change: impl FnOnce(&mut SummaryRow),
) -> BatchId {
    let id = submit(store, wallet..wallet + 1).await;
    let mut result: FinishedWallet = finished();
    change(&mut result.summary);
    wallet_tasks::finish(store, &claim_one(store).await, result.clone()).await.unwrap();
    id
}

#[tokio::test]
async fn every_wallet_of_a_batch_has_a_row_in_submission_order() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let order = [4, 2, 9, 0, 7];
    let id = submit(store, order).await;
    submit(store, 20..22).await;
    let held = claim(store, &WorkerId::generate(), 4).await;
    let of_batch: Vec<_> = held.iter().filter(|lease| lease.batch == id).collect();
    finish(store, of_batch[1]).await;
    transition(store, of_batch[0], &failed()).await;
    let rows = page(store, &everybodys(id), None, 100).await.unwrap();
    let wallets: Vec<String> = rows.iter().map(|row| row.wallet.to_string()).collect();
    assert_eq!(wallets, order.map(|n| format!("wallet{n}")));
    assert_eq!(rows.iter().map(|row| row.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((rows[0].state, rows[1].state), (TaskState::Failed, TaskState::Done));
    assert_eq!(rows[1].report_json, Some(finished().report_json));
    assert!(rows.iter().enumerate().all(|(n, row)| (n == 1) == row.report_json.is_some()));
    assert_eq!(rows[0].error.as_ref().unwrap().code, "bad-data");
    assert_eq!((rows[1].attempts, rows[4].attempts), (1, 0));
    assert_eq!((rows[4].state, rows[4].started_at), (TaskState::Queued, None));

    let second = page(store, &everybodys(id), Some(1), 2).await.unwrap();
    assert_eq!(second.iter().map(|row| row.ordinal).collect::<Vec<_>>(), [2, 3]);
    assert!(page(store, &everybodys(id), Some(4), 2).await.unwrap().is_empty());
    assert!(page(store, &everybodys(BatchId::generate()), None, 2).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_page_of_large_reports_has_fewer_rows_and_at_least_one() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..5).await;
    let report = |megabytes: usize| format!("{{\"pad\": \"{}\"}}", "x".repeat(megabytes << 20));
    let leases = claim(store, &WorkerId::generate(), 5).await;
    for (lease, megabytes) in leases.into_iter().zip([9, 3, 3, 3, 3]) {
        let result = FinishedWallet { report_json: report(megabytes), ..finished() };
        wallet_tasks::finish(store, &lease, result).await.unwrap();
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let rows = page(store, &everybodys(id), after, 100).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = Some(last.ordinal);
        pages.push(rows.len());
        assert!(rows.iter().all(|row| row.report_json.is_some()));
    }
    assert_eq!(pages, [1, 3, 1]);
}

#[tokio::test]
async fn a_report_is_kept_byte_for_byte() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = submit(store, 0..1).await;
    // Spaces, member order, repeated members, escapes and long figures would not survive jsonb.
    let report =
        "{\"z\": \"1.10\",  \"a\":1.10000000000000000000001, \"a\":2, \"t\":\"\\u0000\\/\"}";
    let result = FinishedWallet { report_json: report.to_owned(), ..finished() };
    wallet_tasks::finish(store, &claim_one(store).await, result.clone()).await.unwrap();
    let rows = page(store, &everybodys(id), None, 1).await.unwrap();
    assert_eq!(rows[0].report_json.as_deref(), Some(report));
}

#[tokio::test]
async fn latest_figures_are_exact() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let long = "-123456789012345678901234567890.123456789012345678901234567890123456";
    let id = store_result(store, 0, |row| {
        row.total_pnl_usd = usd(long);
        row.realized_gain_usd = usd("1000000000000000000000000000000");
        row.unrealized_gain_usd = usd("0.000000000000000000000000000000000001");
        row.fees_usd = usd("0");
        row.token_win_rate = Some("66.666666666666666667".to_owned());
        row.complete = false;
    })
    .await;
    let rows = newest(store).await;
    let row = &rows[0];
    assert_eq!(row.batch, id);
    assert_eq!(row.total_pnl_usd.to_string(), long);
    assert_eq!(row.realized_gain_usd, usd("1000000000000000000000000000000"));
    assert_eq!(row.unrealized_gain_usd, usd("0.000000000000000000000000000000000001"));
    assert_eq!(row.fees_usd, usd("0"));
    assert_eq!(row.token_win_rate.as_deref(), Some("66.666666666666666667"));
    assert_eq!((row.trades, row.transactions, row.complete), (3, 7, false));
    assert_eq!(summary(store, &Tenant::default(), None).await.unwrap().total_pnl_usd, long);
}

#[tokio::test]
async fn only_full_history_results_of_the_default_method_with_a_newer_pin_become_latest() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let total = async || {
        let rows = newest(store).await;
        rows.iter().map(|row| row.total_pnl_usd.to_string()).collect::<Vec<_>>()
    };
    let pinned = |block: u64, total: &'static str, full: bool| {
        move |row: &mut SummaryRow| {
            row.pin = Pin { block, block_time: 0 };
            row.total_pnl_usd = usd(total);
            row.full_history_default_method = full;
        }
    };
    store_result(store, 0, pinned(10, "1", false)).await;
    assert!(total().await.is_empty());
    store_result(store, 0, pinned(10, "2", true)).await;
    assert_eq!(total().await, ["2"]);
    store_result(store, 0, pinned(9, "3", true)).await;
    assert_eq!(total().await, ["2"], "an older pin");
    store_result(store, 0, pinned(11, "4", false)).await;
    assert_eq!(total().await, ["2"], "a window or another method");
    store_result(store, 0, pinned(10, "5", true)).await;
    assert_eq!(total().await, ["5"], "the same pin, made later");
}

#[tokio::test]
async fn latest_can_be_sorted_filtered_and_paged_without_loss() {
    let database = TestDatabase::create().await;
    let store = database.store();
    // Totals with ties; trades the other way round.
    for (n, total) in ["-5", "10", "9", "9", "100.5", "9"].into_iter().enumerate() {
        store_result(store, n, |row| {
            row.total_pnl_usd = usd(total);
            row.trades = 100 - u64::try_from(n).unwrap();
        })
        .await;
    }
    let base = NewBatch { chain: Chain::Base, ..new_batch(0..1) };
    batches::submit(store, &base, Admission::rejecting(1000)).await.unwrap();
    finish(store, &claim_one(store).await).await;

    let walk = async |chain, sort, ascending| -> Vec<String> {
        let (mut seen, mut after): (Vec<String>, Option<LatestCursor>) = (Vec::new(), None);
        loop {
            let list = LatestList { chain, ..LatestList::sorted(sort, ascending) };
            let place = after.as_ref().map_or(LatestPlace::Offset(0), LatestPlace::Behind);
            let page = latest(store, &Tenant::default(), &list, place, 2).await.unwrap();
            seen.extend(page.rows.iter().map(|row| row.wallet.to_string()));
            let Some(LatestCursor { key, wallet, as_of }) = page.next else { return seen };
            after = LatestCursor::read(sort, &key, wallet, as_of);
            assert!(after.is_some(), "{key} is no key of {sort:?}");
        }
    };
    let names = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().map(|n| format!("solana:wallet{n}")).collect()
    };
    let solana = Some(Chain::Solana);
    assert_eq!(walk(solana, LatestSort::TotalPnl, false).await, names(&[4, 1, 5, 3, 2, 0]));
    assert_eq!(walk(solana, LatestSort::TotalPnl, true).await, names(&[0, 2, 3, 5, 1, 4]));
    assert_eq!(walk(solana, LatestSort::Trades, false).await, names(&[0, 1, 2, 3, 4, 5]));
    assert_eq!(walk(solana, LatestSort::AnalyzedAt, false).await, names(&[5, 4, 3, 2, 1, 0]));
    assert_eq!(walk(Some(Chain::Base), LatestSort::Fees, false).await, ["base:wallet0"]);
    for sort in LatestSort::ALL {
        let (mut upwards, downwards) =
            (walk(None, sort, true).await, walk(None, sort, false).await);
        upwards.reverse();
        assert_eq!(upwards, downwards, "{sort:?}");
        let seen: BTreeSet<String> = upwards.into_iter().collect();
        assert_eq!((seen.len(), downwards.len()), (7, 7), "{sort:?}");
    }

    let every = LatestList { chain: solana, ..LatestList::sorted(LatestSort::TotalPnl, true) };
    let changed = newest(store).await[2].analyzed_at;
    for (list, wallets) in [
        (LatestList { profitable: Some(true), ..every.clone() }, &[2, 3, 5, 1, 4][..]),
        (LatestList { profitable: Some(false), ..every.clone() }, &[0]),
        (LatestList { min_trades: Some(98), ..every.clone() }, &[0, 2, 1]),
        (LatestList { min_trades: Some(u64::MAX), ..every.clone() }, &[]),
        (
            LatestList { min_pnl: Some(usd("9")), max_pnl: Some(usd("10")), ..every.clone() },
            &[2, 3, 5, 1],
        ),
        (LatestList { updated_since: Some(changed), ..every.clone() }, &[5, 4]),
    ] {
        let page =
            latest(store, &Tenant::default(), &list, LatestPlace::Offset(0), 10).await.unwrap();
        let found: Vec<_> = page.rows.iter().map(|row| row.wallet.to_string()).collect();
        assert_eq!(found, names(wallets), "{list:?}");
        assert_eq!(
            count_latest(store, &Tenant::default(), &list).await.unwrap(),
            wallets.len() as u64,
            "{list:?}"
        );
    }
    let third = latest(store, &Tenant::default(), &every, LatestPlace::Offset(4), 2).await.unwrap();
    assert_eq!(
        third.rows.iter().map(|row| row.wallet.to_string()).collect::<Vec<_>>(),
        names(&[1, 4])
    );
}

/// What a row shows, by wallet.
fn shown(row: &LatestRow) -> (String, String, u64, BatchId) {
    let total = row.total_pnl_usd.to_string();
    (row.wallet.address.to_string(), total, row.trades, row.batch)
}

#[tokio::test]
async fn a_wallet_that_is_analyzed_again_in_the_middle_of_a_walk_is_neither_lost_nor_repeated() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let tenant = Tenant::default();
    let analyze = async |wallet: usize, figure: u64| {
        store_result(store, wallet, |row| {
            let dollars = usd(&figure.to_string());
            row.total_pnl_usd = dollars;
            row.realized_gain_usd = dollars;
            row.unrealized_gain_usd = dollars;
            row.fees_usd = dollars;
            row.trades = figure;
            row.transactions = figure;
        })
        .await
    };
    let lists = LatestSort::ALL
        .into_iter()
        .flat_map(|sort| [true, false].map(|ascending| LatestList::sorted(sort, ascending)));
    for list in lists {
        for n in 0..5 {
            analyze(n, 10 + 10 * u64::try_from(n).unwrap()).await;
        }
        let whole = latest(store, &tenant, &list, LatestPlace::Offset(0), 10).await.unwrap().rows;
        let number = |row: &LatestRow| -> usize {
            row.wallet.address.as_str().trim_start_matches("wallet").parse().unwrap()
        };
        let (mut seen, mut after) = (Vec::new(), None::<LatestCursor>);
        loop {
            let place = after.as_ref().map_or(LatestPlace::Offset(0), LatestPlace::Behind);
            let page = latest(store, &tenant, &list, place, 1).await.unwrap();
            seen.extend(page.rows.iter().map(shown));
            let Some(LatestCursor { key, wallet, as_of }) = page.next else { break };
            after = LatestCursor::read(list.sort, &key, wallet, as_of);
            // What was just seen goes behind the others, what comes last goes before them, a wallet twice; and there is
            // one more.
            match seen.len() {
                1 => {
                    let (ahead, behind) = if list.ascending { (1, 99) } else { (99, 1) };
                    analyze(number(&whole[0]), behind).await;
                    analyze(number(&whole[4]), ahead).await;
                    analyze(number(&whole[3]), ahead).await;
                }
                2 => {
                    analyze(number(&whole[3]), 35).await;
                    analyze(7, 25).await;
                }
                _ => {}
            }
        }
        assert_eq!(seen, whole.iter().map(shown).collect::<Vec<_>>(), "{list:?}");
        // Whoever begins now sees what is now.
        let now = latest(store, &tenant, &list, LatestPlace::Offset(0), 10).await.unwrap().rows;
        assert_eq!((now.len(), now.iter().filter(|row| row.trades == 35).count()), (6, 1));
        database.execute("delete from latest_results where wallet = 'wallet7'").await;
    }
}

/// The first rows, newest first.
async fn newest(store: &Store) -> Vec<LatestRow> {
    let list = LatestList::sorted(LatestSort::AnalyzedAt, false);
    latest(store, &Tenant::default(), &list, LatestPlace::Offset(0), 10).await.unwrap().rows
}

#[tokio::test]
async fn a_key_that_postgresql_would_refuse_is_no_cursor() {
    let wallet = WalletRef { chain: Chain::Solana, address: Address::from_chain_data("W") };
    for (sort, keys) in [
        (
            LatestSort::AnalyzedAt,
            &[
                "",
                "now",
                "infinity",
                "2026-13-01 00:00:00+00",
                "2026-01-01 00:00:00",
                "2026-01-01 00:00:00+23",
                "-0001-01-01 00:00:00+00",
                "+12026-01-01 00:00:00+00",
                "2026-01-01 00:00:00+00\0",
            ][..],
        ),
        (LatestSort::TotalPnl, &["", "NaN", "1e999999", "Infinity", "1.", "1\0"][..]),
        (LatestSort::Trades, &["", "1.5", "9223372036854775808", "1e3", "1\0"][..]),
    ] {
        for key in keys {
            assert_eq!(
                LatestCursor::read(sort, key, wallet.clone(), DateTime::UNIX_EPOCH),
                None,
                "{key:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_summary_rounds_half_to_even_at_18_places() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let empty = summary(store, &Tenant::default(), None).await.unwrap();
    assert_eq!((empty.total_wallets, empty.total_pnl_usd.as_str()), (0, "0"));
    assert_eq!((empty.average_pnl_usd.as_str(), empty.profitability_rate.as_str()), ("0", "0"));
    assert_eq!(empty.last_updated, None);

    // -2/3 and 1/3 of a hundred.
    for (n, total) in ["-3", "2", "-1"].into_iter().enumerate() {
        store_result(store, n, |row| row.total_pnl_usd = usd(total)).await;
    }
    let three = summary(store, &Tenant::default(), Some(Chain::Solana)).await.unwrap();
    assert_eq!((three.total_wallets, three.profitable_wallets, three.total_trades), (3, 1, 9));
    assert_eq!(three.total_pnl_usd, "-2");
    assert_eq!(three.average_pnl_usd, "-0.666666666666666667");
    assert_eq!(three.profitability_rate, "33.333333333333333333");
    assert!(three.last_updated.is_some());
    assert_eq!(
        summary(store, &Tenant::default(), Some(Chain::Base)).await.unwrap().total_wallets,
        0
    );
}

#[tokio::test]
async fn an_average_exactly_between_two_figures_goes_to_the_even_one() {
    let database = TestDatabase::create().await;
    let store = database.store();
    // Sum over two wallets in units of 1e-18: 1 gives a half (to 0), 3 one and a half (to 2), and
    // the same below zero.
    for (first, second, average) in [
        ("0.000000000000000001", "0", "0"),
        ("0.000000000000000003", "0", "0.000000000000000002"),
        ("-0.000000000000000003", "0", "-0.000000000000000002"),
        ("0.000000000000000001", "0.000000000000000000000000000000000001", "0.000000000000000001"),
    ] {
        store_result(store, 0, |row| row.total_pnl_usd = usd(first)).await;
        store_result(store, 1, |row| row.total_pnl_usd = usd(second)).await;
        assert_eq!(
            summary(store, &Tenant::default(), None).await.unwrap().average_pnl_usd,
            average,
            "{first}"
        );
    }
}
