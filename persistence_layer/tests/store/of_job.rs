//! The wallets of a batch, filtered and sorted.

use persistence_layer::Store;
use persistence_layer::batches::{BatchId, BatchRef};
use persistence_layer::results::{
    JobList, JobPlace, JobSort, JobStart, LatestSort, SummaryRow, listed, order,
};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{self, FinishedWallet, Lease, TaskState, WorkerId};
use pnl_core::Chain;

use crate::support::{claim, everybodys, failed, finished, submit, transition, usd};

/// Totals of the wallets that end with a result, in the order of the submission, and their trades.
const RESULTS: [(&str, u64); 6] =
    [("-5", 100), ("10", 99), ("9", 98), ("9", 98), ("100.5", 96), ("9", 95)];

/// Ends a wallet for each of them.
async fn finish_all(store: &Store, leases: &[Lease]) {
    for (lease, (total, trades)) in leases.iter().zip(RESULTS) {
        let report_json =
            format!("{{\"total_pnl_usd\":\"{total}\",\"trades\":{trades},\"fees_usd\":\"0.1\"}}");
        let fees_usd = usd("0.1");
        let summary =
            SummaryRow { total_pnl_usd: usd(total), trades, fees_usd, ..finished().summary };
        let result = FinishedWallet { report_json, summary, ..finished() };
        wallet_tasks::finish(store, lease, result).await.unwrap();
    }
}

/// A batch of nine: six with results, one that failed, two that nobody has claimed.
async fn batch_of_nine(store: &Store) -> BatchId {
    let id = submit(store, 0..9).await;
    let leases = claim(store, &WorkerId::generate(), 7).await;
    finish_all(store, &leases).await;
    transition(store, &leases[6], &failed()).await;
    id
}

fn sorted(by: LatestSort, ascending: bool) -> JobList {
    JobList { sort: Some(JobSort { by, ascending }), ..JobList::default() }
}

fn behind(after: Option<&JobPlace>) -> JobStart<'_> {
    after.map_or(JobStart::First, JobStart::Behind)
}

/// The numbers of the wallets of a list, read in pages of `limit`.
async fn walk(store: &Store, id: &BatchRef, list: &JobList, limit: u32) -> Vec<usize> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page =
            listed(store, id, Chain::Solana, list, behind(after.as_ref()), limit).await.unwrap();
        assert!(page.rows.len() <= limit as usize);
        seen.extend(page.rows.iter().map(|row| {
            let is_done = row.state == TaskState::Done;
            assert_eq!(row.report_json.is_some(), is_done, "{row:?}");
            row.wallet.to_string().trim_start_matches("wallet").parse::<usize>().unwrap()
        }));
        after = page.next;
        if after.is_none() {
            return seen;
        }
        assert_eq!(page.rows.len(), limit as usize, "small reports fill their page");
    }
}

#[tokio::test]
async fn wallets_are_filtered_and_sorted_in_pages_of_any_size() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(store, 0..6).await;
    finish_all(store, &claim(store, &WorkerId::generate(), 6).await).await;
    let id = everybodys(batch_of_nine(store).await);
    let every = JobList::default();
    let by_total = sorted(LatestSort::TotalPnl, false);
    let in_states = |states: &[TaskState]| JobList { states: states.to_vec(), ..every.clone() };
    let failed = [TaskState::Failed, TaskState::TimedOut];
    let coded = |code: &str| JobList { error_code: Some(code.to_owned()), ..JobList::default() };
    let check = async |is_older: bool| {
        for (list, wallets) in [
            (every.clone(), &[0, 1, 2, 3, 4, 5, 6, 7, 8][..]),
            (in_states(&[TaskState::Queued, TaskState::Delayed]), &[7, 8]),
            (in_states(&[TaskState::Done]), &[0, 1, 2, 3, 4, 5]),
            (in_states(&failed), &[6]),
            (in_states(&[TaskState::Running]), &[]),
            (coded("bad-data"), &[6]),
            (coded("oversold"), &[]),
            (JobList { profitable: Some(true), ..every.clone() }, &[1, 2, 3, 4, 5]),
            (JobList { profitable: Some(false), ..every.clone() }, &[0]),
            (
                JobList { min_pnl: Some(usd("9")), max_pnl: Some(usd("10")), ..every.clone() },
                &[1, 2, 3, 5],
            ),
            (by_total.clone(), &[4, 1, 5, 3, 2, 0]),
            (sorted(LatestSort::TotalPnl, true), &[0, 2, 3, 5, 1, 4]),
            (sorted(LatestSort::Trades, true), &[5, 4, 2, 3, 1, 0]),
            (sorted(LatestSort::Fees, true), &[0, 1, 2, 3, 4, 5]),
            (JobList { max_pnl: Some(usd("9")), ..by_total.clone() }, &[5, 3, 2, 0]),
            (
                JobList {
                    states: vec![TaskState::Done],
                    profitable: Some(true),
                    ..by_total.clone()
                },
                &[4, 1, 5, 3, 2],
            ),
        ] {
            for limit in [1, 2, 100] {
                let found = walk(store, &id, &list, limit).await;
                assert_eq!(found, wallets, "{is_older} {limit} {list:?}");
            }
            let Some(sort) = list.sort else { continue };
            // By its order the same rows, and the same places to go on from.
            let order = order(store, &id, Chain::Solana, &list, sort).await.unwrap();
            assert_eq!(order.len(), wallets.len());
            let mut after = None;
            for limit in [2, 1, 100] {
                let at = after.as_ref().map_or(0, |place: &JobPlace| {
                    order.iter().position(|task| *task == place.tie).unwrap() + 1
                });
                let page = async |start| {
                    listed(store, &id, Chain::Solana, &list, start, limit).await.unwrap()
                };
                let next = page(JobStart::Next(&order[at..])).await;
                assert_eq!(next, page(behind(after.as_ref())).await, "{is_older} {limit} {list:?}");
                after = next.next;
            }
            assert_eq!(after, None);
        }
    };
    check(false).await;
    // As a program stores them that does not write the figures: some of a batch, and all.
    for ordinals in ["(1, 3)", "(0, 1, 2, 3, 4, 5)"] {
        let older = format!(
            "update pnl_results r
             set total_pnl_usd = null, realized_gain_usd = null, unrealized_gain_usd = null, fees_usd = null,
                 trades = null, transactions = null
             from wallet_tasks t where t.id = r.task and t.ordinal in {ordinals}"
        );
        database.execute(&older).await;
        check(true).await;
    }

    let others = BatchRef { tenant: "acme".parse().unwrap(), ..id };
    for list in [every.clone(), by_total.clone()] {
        assert!(walk(store, &others, &list, 10).await.is_empty(), "another tenant's");
    }
}

#[tokio::test]
async fn a_page_of_large_reports_goes_on_behind_the_last_that_it_has() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = everybodys(submit(store, 0..4).await);
    let leases = claim(store, &WorkerId::generate(), 4).await;
    for (lease, megabytes) in leases.iter().zip([3, 3, 3, 9]) {
        let report_json = format!("{{\"pad\": \"{}\"}}", "x".repeat(megabytes << 20));
        wallet_tasks::finish(store, lease, FinishedWallet { report_json, ..finished() })
            .await
            .unwrap();
    }
    let list = sorted(LatestSort::TotalPnl, true);
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page =
            listed(store, &id, Chain::Solana, &list, behind(after.as_ref()), 100).await.unwrap();
        pages.push(page.rows.iter().map(|row| row.ordinal).collect::<Vec<_>>());
        assert!(page.rows.iter().all(|row| row.report_json.is_some()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![0, 1, 2], vec![3]]);
}

#[tokio::test]
async fn what_ends_in_the_middle_of_a_sorted_walk_is_seen_once_where_it_comes_behind() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let id = everybodys(submit(store, 0..4).await);
    let leases = claim(store, &WorkerId::generate(), 4).await;
    let end = async |n: usize, total: &str| {
        let summary = SummaryRow { total_pnl_usd: usd(total), ..finished().summary };
        let result = FinishedWallet { summary, ..finished() };
        wallet_tasks::finish(store, &leases[n], result).await.unwrap();
    };
    end(0, "5").await;
    end(1, "7").await;
    let list = sorted(LatestSort::TotalPnl, true);
    let first = listed(store, &id, Chain::Solana, &list, JobStart::First, 1).await.unwrap();
    assert_eq!(first.rows[0].ordinal, 0);
    end(2, "1").await;
    end(3, "6").await;
    let rest =
        listed(store, &id, Chain::Solana, &list, behind(first.next.as_ref()), 10).await.unwrap();
    assert_eq!(rest.rows.iter().map(|row| row.ordinal).collect::<Vec<_>>(), [3, 1]);
}
