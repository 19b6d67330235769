//! Continuous mode: rounds of watched wallets begin, end, fail and are given up, whoever looks after them.

use std::time::Duration;

use futures::future::join_all;
use persistence_layer::batches::{self, Admission, BatchId, BatchRef, Submitted};
use persistence_layer::continuous::{self, RoundRules, Step, set_enabled};
use persistence_layer::retention;
use persistence_layer::test_util::{TestDatabase, retention_rules};
use persistence_layer::wallet_tasks::{self, EndState, TaskState, Transition, WorkerId};
use persistence_layer::watched_wallets::{
    self, NewWatched, WatchState, Watched, WatchedFilter, WatchedWallet,
};
use persistence_layer::{Store, Tenant};
use pnl_core::{Chain, WalletRef};
use serde_json::json;

use crate::support::{
    batch, claim, claim_and_die, claim_one, everybodys, failed, finish, new_batch, submit,
    task_error, transition, wallet,
};

/// Longest time of a statement that counts.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn rules() -> RoundRules {
    RoundRules { chains: vec![Chain::Solana], max_under_way: 100, park_after: 3 }
}

fn tenant(name: &str) -> Tenant {
    name.parse().unwrap()
}

pub fn watched(tenant: Tenant, numbers: impl IntoIterator<Item = usize>) -> NewWatched {
    NewWatched {
        tenant,
        chain: Chain::Solana,
        wallets: numbers.into_iter().map(wallet).collect(),
        request: json!({"method": "fifo"}),
        every_seconds: 3600,
    }
}

pub async fn watch(store: &Store, numbers: impl IntoIterator<Item = usize>) {
    let new = watched(Tenant::default(), numbers);
    let listed = watched_wallets::put(store, &new, 1000).await.unwrap();
    assert!(matches!(listed, Watched::Listed { .. }), "{listed:?}");
}

pub async fn step(store: &Store) -> Step {
    continuous::step(store, &rules()).await.unwrap().expect("nobody else is at it")
}

pub async fn look(store: &Store, number: usize) -> WatchedWallet {
    let named = WalletRef { chain: Chain::Solana, address: wallet(number) };
    watched_wallets::get(store, &Tenant::default(), &named).await.unwrap().unwrap()
}

/// As if its interval was over.
pub async fn make_due(database: &TestDatabase) {
    database.execute("update watched_wallets set next_at = now() - interval '1 second'").await;
}

#[tokio::test]
async fn a_watched_wallet_has_a_round_and_the_next_one_after_its_interval() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..2).await;
    assert_eq!(step(store).await, Step::default(), "it is off");
    set_enabled(store, true).await.unwrap();
    let begun = step(store).await.begun;
    let [round] = &begun[..] else { panic!("{begun:?}") };
    assert_eq!(round.wallets, 2);
    assert!(batch(store, round.batch).await.is_round);
    assert_eq!(look(store, 0).await.state(), WatchState::Running);
    assert_eq!(step(store).await, Step::default(), "it is under way");

    let worker = WorkerId::generate();
    for lease in claim(store, &worker, 5).await {
        finish(store, &lease).await;
    }
    let ended = step(store).await;
    assert!(ended.begun.is_empty());
    assert!(ended.ended.iter().all(|one| one.state == TaskState::Done && !one.is_parked));
    let first = look(store, 0).await;
    assert_eq!((first.state(), first.failures), (WatchState::Waiting, 0));
    assert_eq!(first.last.unwrap().batch, round.batch);
    let early =
        "select count(*) from watched_wallets where next_at <= now() + interval '53 minutes'";
    assert_eq!(database.number(early).await, 0);
    let apart = "select count(distinct next_at) from watched_wallets";
    assert_eq!(database.number(apart).await, 1, "equal intervals stay together");
    let figures = continuous::figures(store, PATIENCE).await.unwrap();
    assert_eq!((figures.processed, figures.failed, figures.waiting), (2, 0, 2));

    make_due(&database).await;
    assert_eq!(step(store).await.begun.len(), 1);
    assert_eq!(claim(store, &worker, 5).await.len(), 2);
}

#[tokio::test]
async fn three_rounds_without_a_result_park_a_wallet_and_no_other() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..2).await;
    set_enabled(store, true).await.unwrap();
    for failures in 1..=3 {
        make_due(&database).await;
        assert_eq!(step(store).await.begun[0].wallets, 2);
        for lease in claim(store, &WorkerId::generate(), 5).await {
            if lease.wallet.address == wallet(0) {
                transition(store, &lease, &failed()).await;
            } else {
                finish(store, &lease).await;
            }
        }
        let ended = step(store).await.ended;
        let bad = ended.iter().find(|one| one.wallet.address == wallet(0)).unwrap();
        assert_eq!((bad.failures, bad.is_parked), (failures, failures == 3));
        assert_eq!(bad.error, Some(task_error("bad-data")));
        if failures < 3 {
            // Sooner than its interval.
            let soon = "select count(*) from watched_wallets
                where failures > 0 and next_at <= now() + interval '10 minutes'";
            assert_eq!(database.number(soon).await, 1);
        }
    }
    make_due(&database).await;
    assert_eq!(step(store).await.begun[0].wallets, 1);
    let parked = look(store, 0).await;
    assert_eq!(parked.state(), WatchState::Parked);
    assert_eq!(parked.last.unwrap().error, Some(task_error("bad-data")));
    let figures = continuous::figures(store, PATIENCE).await.unwrap();
    assert_eq!((figures.processed, figures.failed, figures.parked), (3, 3, 1));

    let named = WalletRef { chain: Chain::Solana, address: wallet(0) };
    watched_wallets::resume(store, &tenant("other"), &named).await.unwrap();
    assert_eq!(look(store, 0).await.state(), WatchState::Parked, "of another tenant");
    watched_wallets::resume(store, &Tenant::default(), &named).await.unwrap();
    assert_eq!(step(store).await.begun[0].wallets, 1);
    assert_eq!(look(store, 0).await.state(), WatchState::Running);
}

#[tokio::test]
async fn an_outage_parks_nobody() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    for _ in 0..4 {
        make_due(&database).await;
        step(store).await;
        let error = Some(task_error("provider-outage"));
        let end = Transition::End { state: EndState::Failed, error };
        transition(store, &claim_one(store).await, &end).await;
        let ended = step(store).await.ended;
        assert_eq!((ended[0].failures, ended[0].is_parked), (0, false));
    }
    assert_eq!(continuous::figures(store, PATIENCE).await.unwrap().failed, 4);
}

#[tokio::test]
async fn a_wallet_that_kills_its_workers_in_two_rounds_is_parked() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    let crash = async || {
        make_due(&database).await;
        step(store).await;
        claim_and_die(store).await;
        wallet_tasks::sweep(store, 1).await.unwrap();
        let ended = step(store).await.ended.remove(0);
        assert_eq!(ended.error.unwrap().code, "worker-crashed");
        ended.is_parked
    };
    assert!(!crash().await, "another one may have killed the worker");
    assert!(crash().await);
    let named = WalletRef { chain: Chain::Solana, address: wallet(0) };
    watched_wallets::resume(store, &Tenant::default(), &named).await.unwrap();
    assert!(!crash().await, "what was before is forgotten");
}

#[tokio::test]
async fn a_stop_lets_rounds_end_and_begins_none() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    step(store).await;
    set_enabled(store, false).await.unwrap();
    let lease = claim_one(store).await;
    finish(store, &lease).await;
    make_due(&database).await;
    let ended = step(store).await;
    assert_eq!((ended.ended.len(), ended.begun.len()), (1, 0));
    set_enabled(store, true).await.unwrap();
    assert_eq!(step(store).await.begun.len(), 1);
}

#[tokio::test]
async fn processes_that_look_at_once_begin_each_round_once() {
    let database = TestDatabase::create().await;
    let stores = [database.second_store().await, database.second_store().await];
    watch(database.store(), 0..20).await;
    set_enabled(database.store(), true).await.unwrap();
    let rules = rules();
    let looks = join_all((0..20).map(|n| continuous::step(&stores[n % 2], &rules))).await;
    let begun: Vec<_> =
        looks.into_iter().filter_map(Result::unwrap).flat_map(|step| step.begun).collect();
    assert_eq!(begun.iter().map(|round| round.wallets).sum::<u32>(), 20);
    let tasks = "select count(*) - count(distinct wallet) from wallet_tasks";
    assert_eq!(database.number(tasks).await, 0);
    for store in stores {
        store.close().await;
    }
}

#[tokio::test]
async fn few_are_under_way_at_a_time_and_tenants_take_turns() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let few = RoundRules { max_under_way: 4, ..rules() };
    watched_wallets::put(store, &watched(tenant("large"), 0..50), 1000).await.unwrap();
    watched_wallets::put(store, &watched(tenant("small"), 50..52), 1000).await.unwrap();
    set_enabled(store, true).await.unwrap();
    let mut begun = continuous::step(store, &few).await.unwrap().unwrap().begun;
    begun.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    let shares: Vec<_> = begun.iter().map(|r| (r.tenant.as_str(), r.wallets)).collect();
    assert_eq!(shares, [("large", 2), ("small", 2)]);
    assert!(continuous::step(store, &few).await.unwrap().unwrap().begun.is_empty());
    let lease = claim_one(store).await;
    finish(store, &lease).await;
    let more = continuous::step(store, &few).await.unwrap().unwrap().begun;
    assert_eq!(more.iter().map(|round| round.wallets).sum::<u32>(), 1);
    let other = RoundRules { chains: vec![Chain::Base], ..few };
    assert!(continuous::step(store, &other).await.unwrap().unwrap().begun.is_empty());
}

#[tokio::test]
async fn rounds_take_no_places_and_stand_in_the_queue_as_one_batch() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 100..104).await;
    watched_wallets::put(store, &watched(tenant("other"), 104..108), 1000).await.unwrap();
    set_enabled(store, true).await.unwrap();
    assert_eq!(step(store).await.begun.len(), 2);
    let new = new_batch(0..20);
    let one = Admission::rejecting(1);
    assert_eq!(batches::submit(store, &new, one).await.unwrap(), Submitted::Accepted);
    let refused = batches::submit(store, &new_batch(30..31), one).await.unwrap();
    assert_eq!(refused, Submitted::AtCapacity { limit: 1 }, "the place is the client's");
    let turns = claim(store, &WorkerId::generate(), 10).await;
    let of_client = turns.iter().filter(|lease| lease.batch == new.id).count();
    assert_eq!(of_client, 5, "every second wallet is the client's");
}

#[tokio::test]
async fn a_round_whose_batch_is_gone_or_cancelled_counts_for_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    let round = step(store).await.begun[0].batch;
    batches::cancel(store, &everybodys(round)).await.unwrap().unwrap();
    let ended = step(store).await.ended;
    assert_eq!((ended[0].state, ended[0].failures), (TaskState::Cancelled, 0));
    make_due(&database).await;
    step(store).await;
    database.execute("delete from batches").await;
    let ended = step(store).await.ended;
    assert_eq!(ended[0].state, TaskState::Cancelled);
    make_due(&database).await;
    assert_eq!(step(store).await.begun.len(), 1);
}

#[tokio::test]
async fn a_retried_round_is_a_batch_like_any_other() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    let round = step(store).await.begun[0].batch;
    let lease = claim_one(store).await;
    transition(store, &lease, &failed()).await;
    step(store).await;
    batches::retry(store, &everybodys(round), Admission::rejecting(1)).await.unwrap();
    assert!(!batch(store, round).await.is_round);
    let refused = batches::submit(store, &new_batch(5..6), Admission::rejecting(1)).await;
    assert_eq!(refused.unwrap(), Submitted::AtCapacity { limit: 1 });
}

#[tokio::test]
async fn adding_again_changes_what_differs_and_makes_it_due() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let new = watched(Tenant::default(), 0..3);
    let put = async |new: &NewWatched, most| watched_wallets::put(store, new, most).await.unwrap();
    assert_eq!(put(&new, 3).await, Watched::Listed { added: 3, changed: 0 });
    set_enabled(store, true).await.unwrap();
    step(store).await;
    for lease in claim(store, &WorkerId::generate(), 9).await {
        finish(store, &lease).await;
    }
    step(store).await;
    assert_eq!(put(&new, 3).await, Watched::Listed { added: 0, changed: 0 });
    assert!(step(store).await.begun.is_empty(), "nothing has changed");
    let other = NewWatched { wallets: vec![wallet(1)], every_seconds: 600, ..new.clone() };
    assert_eq!(put(&other, 3).await, Watched::Listed { added: 0, changed: 1 });
    assert_eq!(step(store).await.begun[0].wallets, 1);
    let more = watched(Tenant::default(), 2..5);
    assert_eq!(put(&more, 4).await, Watched::TooMany { watched: 3 });
    let own = Tenant::default();
    let listed = watched_wallets::list(store, &own, WatchedFilter::default(), 9).await.unwrap();
    assert_eq!(listed.len(), 3, "nothing was changed");
    let elsewhere = NewWatched { tenant: tenant("other"), ..more };
    assert_eq!(put(&elsewhere, 3).await, Watched::Listed { added: 3, changed: 0 });
}

#[tokio::test]
async fn a_list_has_filters_and_places_and_is_its_tenants_alone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..3).await;
    set_enabled(store, true).await.unwrap();
    continuous::step(store, &RoundRules { max_under_way: 1, ..rules() }).await.unwrap();
    let list = async |tenant: &Tenant, filter| {
        let rows = watched_wallets::list(store, tenant, filter, 2).await.unwrap();
        rows.into_iter().map(|row| row.wallet.address).collect::<Vec<_>>()
    };
    let own = Tenant::default();
    let all = WatchedFilter::default();
    assert_eq!(list(&own, all).await, [wallet(0), wallet(1)]);
    let first = look(store, 0).await;
    assert_eq!(list(&own, WatchedFilter { after: first.id, ..all }).await, [wallet(1), wallet(2)]);
    let of = |state| WatchedFilter { state: Some(state), ..all };
    assert_eq!(list(&own, of(WatchState::Running)).await, [wallet(0)]);
    assert_eq!(list(&own, of(WatchState::Waiting)).await, [wallet(1), wallet(2)]);
    assert!(list(&own, of(WatchState::Parked)).await.is_empty());
    assert!(list(&own, WatchedFilter { chain: Some(Chain::Base), ..all }).await.is_empty());
    let other = tenant("other");
    assert!(list(&other, all).await.is_empty());
    let named = WalletRef { chain: Chain::Solana, address: wallet(0) };
    assert!(watched_wallets::get(store, &other, &named).await.unwrap().is_none());
    assert!(!watched_wallets::remove(store, &other, &named).await.unwrap());
    assert!(watched_wallets::remove(store, &own, &named).await.unwrap());
    let lease = claim_one(store).await;
    finish(store, &lease).await;
    assert!(step(store).await.ended.is_empty(), "nobody waits for it");
}

#[tokio::test]
async fn a_round_and_its_job_are_found_by_origin() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let submitted = submit(store, 5..6).await;
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    let round = step(store).await.begun[0].batch;
    let list = async |is_round| {
        let jobs = batches::list(store, &Tenant::default(), None, is_round, None, 9).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<BatchId>>()
    };
    assert_eq!(list(Some(true)).await, [round]);
    assert_eq!(list(Some(false)).await, [submitted]);
    assert_eq!(list(None).await.len(), 2);
    let foreign = BatchRef { tenant: tenant("other"), id: round };
    assert!(batches::get(store, &foreign).await.unwrap().is_none());
}

#[tokio::test]
async fn a_round_goes_when_a_newer_one_has_replaced_it_and_not_before() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..2).await;
    set_enabled(store, true).await.unwrap();
    let round = async || {
        make_due(&database).await;
        let id = step(store).await.begun[0].batch;
        for lease in claim(store, &WorkerId::generate(), 5).await {
            finish(store, &lease).await;
        }
        step(store).await;
        database.execute("update batches set finished_at = finished_at - interval '2 days'").await;
        id
    };
    let kept = async |id| {
        // Other jobs are kept for 30 days.
        let ended = retention::prune(store, &retention_rules(100), Duration::ZERO, |_, _| {}).await;
        assert_eq!(ended.unwrap(), retention::Run::Finished);
        batches::get(store, &everybodys(id)).await.unwrap().is_some()
    };
    let first = round().await;
    assert!(kept(first).await, "it has the newest results");
    let second = round().await;
    assert!(!kept(first).await && kept(second).await);
    database.execute("update expired_batches set expired_at = now() - interval '1 hour'").await;
    kept(second).await;
    assert_eq!(database.number("select count(*) from batches").await, 1, "its rows follow");
    let latest = "select count(*) from latest_results";
    assert_eq!(database.number(latest).await, 2);

    // One that is no longer watched keeps its newest result.
    let named = WalletRef { chain: Chain::Solana, address: wallet(1) };
    watched_wallets::remove(store, &Tenant::default(), &named).await.unwrap();
    let third = round().await;
    assert!(kept(second).await && kept(third).await);
}
