//! Continuous mode: what rounds may not do to the queue, to each other and to the lists.

use std::time::Duration;

use persistence_layer::batches::{self, BatchId};
use persistence_layer::continuous::{self, RoundRules, set_enabled};
use persistence_layer::retention;
use persistence_layer::test_util::{TestDatabase, retention_rules};
use persistence_layer::wallet_tasks::{EndState, Transition, WorkerId};
use persistence_layer::watched_wallets::{
    self, NewWatched, WatchState, Watched, WatchedFilter, WatchedWallet,
};
use persistence_layer::{Store, Tenant};
use pnl_core::{Chain, WalletRef};
use serde_json::json;

use crate::continuous::{look, make_due, rules, step, watch, watched};
use crate::support::{
    claim, claim_one, everybodys, failed, finish, task_error, transition, wallet,
};

fn named(number: usize) -> WalletRef {
    WalletRef { chain: Chain::Solana, address: wallet(number) }
}

fn failed_with(code: &str) -> Transition {
    Transition::End { state: EndState::Failed, error: Some(task_error(code)) }
}

async fn begun(store: &Store, rules: &RoundRules) -> u32 {
    let step = continuous::step(store, rules).await.unwrap().unwrap();
    step.begun.iter().map(|round| round.wallets).sum()
}

#[tokio::test]
async fn of_a_long_list_no_round_begins_before_a_quarter_of_the_places_is_free() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let eight = RoundRules { max_under_way: 8, ..rules() };
    watch(store, 0..14).await;
    set_enabled(store, true).await.unwrap();
    assert_eq!(begun(store, &eight).await, 8);
    finish(store, &claim_one(store).await).await;
    assert_eq!(begun(store, &eight).await, 0, "one place is free");
    finish(store, &claim_one(store).await).await;
    assert_eq!(begun(store, &eight).await, 2);
    for _ in 0..5 {
        finish(store, &claim_one(store).await).await;
    }
    assert_eq!(begun(store, &eight).await, 4, "all that are due fit");
    watch(store, 20..21).await;
    assert_eq!(begun(store, &eight).await, 1, "it fits");
}

#[tokio::test]
async fn rounds_of_a_chain_do_not_stand_behind_those_of_another_or_behind_long_wallets() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let both = RoundRules { chains: vec![Chain::Solana, Chain::Base], ..rules() };
    let of_base = NewWatched { chain: Chain::Base, ..watched(Tenant::default(), 100..150) };
    watched_wallets::put(store, &of_base, 1000).await.unwrap();
    set_enabled(store, true).await.unwrap();
    assert_eq!(begun(store, &both).await, 50);
    watch(store, 0..2).await;
    assert_eq!(begun(store, &both).await, 2);
    let behind = "select max(vtime) - (select min(vtime) from wallet_tasks) from wallet_tasks
        where chain = 'solana'";
    assert_eq!(database.number(behind).await, 1, "nobody is before them");
    // One has used much time already and goes on.
    database
        .execute("update wallet_tasks set continuations = 3, vtime = vtime + 500 where chain = 'solana' and ordinal = 1")
        .await;
    watch(store, 2..3).await;
    assert_eq!(begun(store, &both).await, 1);
    let last = "select t.vtime - (select min(vtime) from wallet_tasks) from wallet_tasks t
        where t.chain = 'solana' order by t.id desc limit 1";
    assert_eq!(database.number(last).await, 1);
}

#[tokio::test]
async fn the_last_round_with_a_result_stays_when_later_ones_fail() {
    let database = TestDatabase::create().await;
    let store = database.store();
    // With options of its own it has no place among the newest results.
    let own = NewWatched {
        request: json!({"method": "fifo", "options": {"fee_policy": "ignore"}}),
        ..watched(Tenant::default(), 0..1)
    };
    watched_wallets::put(store, &own, 9).await.unwrap();
    set_enabled(store, true).await.unwrap();
    let good = step(store).await.begun[0].batch;
    finish(store, &claim_one(store).await).await;
    database.execute("delete from latest_results").await;
    for _ in 0..2 {
        make_due(&database).await;
        step(store).await;
        transition(store, &claim_one(store).await, &failed()).await;
    }
    step(store).await;
    let row = look(store, 0).await;
    assert_eq!(row.last_done, Some(good));
    assert_ne!(row.last.unwrap().batch, good);
    database.execute("update batches set finished_at = finished_at - interval '2 days'").await;
    let ended = retention::prune(store, &retention_rules(100), Duration::ZERO, |_, _| {}).await;
    assert_eq!(ended.unwrap(), retention::Run::Finished);
    let kept = async |id: BatchId| batches::get(store, &everybodys(id)).await.unwrap().is_some();
    assert!(kept(good).await);
    assert_eq!(database.number("select count(*) from expired_batches").await, 1, "the other goes");
}

#[tokio::test]
async fn one_that_is_taken_off_and_added_again_stays_in_its_round() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..2).await;
    set_enabled(store, true).await.unwrap();
    assert_eq!(begun(store, &rules()).await, 2);
    let own = Tenant::default();
    for number in 0..2 {
        assert!(watched_wallets::remove(store, &own, &named(number)).await.unwrap());
        assert!(!watched_wallets::remove(store, &own, &named(number)).await.unwrap(), "twice");
    }
    assert!(watched_wallets::get(store, &own, &named(0)).await.unwrap().is_none());
    let rows = watched_wallets::list(store, &own, WatchedFilter::default(), 9).await.unwrap();
    assert_eq!(rows, Vec::<WatchedWallet>::new());
    let again = watched_wallets::put(store, &watched(own.clone(), 0..1), 1).await.unwrap();
    assert_eq!(again, Watched::Listed { added: 1, changed: 0 }, "the other one has no place");
    assert_eq!(look(store, 0).await.state(), WatchState::Running);
    assert_eq!(begun(store, &rules()).await, 0, "it has a round");
    for lease in claim(store, &WorkerId::generate(), 9).await {
        finish(store, &lease).await;
    }
    assert_eq!(step(store).await.begun[0].wallets, 1, "it is wanted anew");
    assert_eq!(database.number("select count(*) from watched_wallets").await, 1);
}

#[tokio::test]
async fn what_all_wallets_of_a_chain_may_meet_parks_one_only_while_others_end_well() {
    for code in ["provider-error", "provider-unauthorized", "database-timeout", "database-failing"]
    {
        let database = TestDatabase::create().await;
        let store = database.store();
        watch(store, 0..3).await;
        set_enabled(store, true).await.unwrap();
        let round = async |well: bool| {
            make_due(&database).await;
            step(store).await;
            for lease in claim(store, &WorkerId::generate(), 5).await {
                if well && lease.wallet.address != wallet(0) {
                    finish(store, &lease).await;
                } else {
                    transition(store, &lease, &failed_with(code)).await;
                }
            }
            step(store).await.ended.iter().filter(|one| one.is_parked).count()
        };
        for _ in 0..4 {
            assert_eq!(round(false).await, 0, "{code} for all");
        }
        assert_eq!(round(true).await, 1, "{code} for one");
        assert_eq!(look(store, 0).await.state(), WatchState::Parked);
    }
}

#[tokio::test]
async fn one_that_meets_it_for_long_is_parked_though_no_other_is_there() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    for round in 1..=30 {
        make_due(&database).await;
        step(store).await;
        transition(store, &claim_one(store).await, &failed_with("provider-error")).await;
        assert_eq!(step(store).await.ended[0].is_parked, round == 30, "round {round}");
    }
}

#[tokio::test]
async fn parked_wallets_go_on_by_chain_and_code() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..4).await;
    database
        .execute(
            r#"update watched_wallets set parked_at = now(), failures = 3, last_state = 'failed',
            last_batch_id = gen_random_uuid(), last_ended_at = now(),
            error = json_build_object('code', case when id % 2 = 0 then 'a' else 'b' end,
                'title', 'T', 'detail', 'D', 'retryable', true)"#,
        )
        .await;
    let own = Tenant::default();
    let resume = async |tenant: &Tenant, chain, code| {
        watched_wallets::resume_all(store, tenant, chain, code).await.unwrap()
    };
    assert_eq!(resume(&"other".parse().unwrap(), None, None).await, 0, "of another tenant");
    assert_eq!(resume(&own, Some(Chain::Base), None).await, 0);
    assert_eq!(resume(&own, Some(Chain::Solana), Some("a")).await, 2);
    assert_eq!(resume(&own, None, None).await, 2);
    assert_eq!(resume(&own, None, None).await, 0, "they go on already");
    set_enabled(store, true).await.unwrap();
    assert_eq!(begun(store, &rules()).await, 4);
}

#[tokio::test]
async fn how_a_round_ended_under_old_options_counts_for_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    watch(store, 0..1).await;
    set_enabled(store, true).await.unwrap();
    let once = RoundRules { park_after: 1, ..rules() };
    assert_eq!(begun(store, &once).await, 1);
    let changed =
        NewWatched { request: json!({"method": "lifo"}), ..watched(Tenant::default(), 0..1) };
    watched_wallets::put(store, &changed, 9).await.unwrap();
    transition(store, &claim_one(store).await, &failed()).await;
    let noticed = continuous::step(store, &once).await.unwrap().unwrap();
    assert_eq!((noticed.ended[0].failures, noticed.ended[0].is_parked), (0, false));
    assert_eq!(noticed.begun.len(), 1, "it is due at once");
    transition(store, &claim_one(store).await, &failed()).await;
    assert!(continuous::step(store, &once).await.unwrap().unwrap().ended[0].is_parked);
}
