//! Wallets that are put off at no cost do not wait for ever, whatever is done for others.

use chain_client::ChainSource;
use load_tests::{FaultKind, Faults};
use persistence_layer::batches;
use persistence_layer::wallet_tasks::TaskState;

use crate::support::{World, eventually, llama_prices, made_up};

const COSTLY: &str = "select sum(attempts) from wallet_tasks";

/// A node whose budget for one method is used up answers every other.
#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_one_method_always_puts_off_fails_past_the_limit() {
    let mut world = World::new(made_up(1, 5)).await;
    world.settings.outage_limit_minutes = 0;
    let only = Some("getTokenAccountsByOwner".to_owned());
    world.node.set_faults(Faults { only, ..Faults::always(FaultKind::Http429) });
    let row = world.run(&world.node.chain().synthetic_wallets()).await.remove(0);
    assert_eq!(row.state, TaskState::Failed);
    assert_eq!(row.error.unwrap().code, "provider-throttled");
    let free = "select count(*) from wallet_attempts where outcome = 'provider_throttled'";
    assert_eq!(world.database.number(free).await, 10, "not by one wait");
    assert_eq!(world.database.number(COSTLY).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_whose_prices_never_come_fails_past_the_limit() {
    let mut world = World::new(made_up(1, 5)).await;
    world.prices = llama_prices(&world.node, &world.settings);
    let only = Some("/llama".to_owned());
    world.node.set_faults(Faults { only, ..Faults::always(FaultKind::Http503) });
    let worker = world.worker().await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let waits = async || {
        let waiting = "select count(*) from wallet_tasks where wait_reason = 'outage'";
        (world.database.number(waiting).await == 1).then_some(())
    };
    assert!(eventually(waits).await.is_some());
    // As after an hour of this, in whichever processes.
    world
        .database
        .execute(
            "insert into wallet_attempts (task, fence, worker, ended, outcome)
             select id, -n, 'another', now(), 'outage'
             from wallet_tasks cross join generate_series(1, 9) n",
        )
        .await;
    world
        .database
        .execute(
            "update wallet_tasks set put_off_since = put_off_since - interval '1 hour',
                 started_at = started_at - interval '1 hour', run_at = now()",
        )
        .await;
    world.until_over(id).await;
    worker.stop().await;
    let row = world.rows(id).await.remove(0);
    assert_eq!(row.error.unwrap().code, "price-source-outage");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_has_stored_something_is_not_ended_by_an_old_outage() {
    let mut world = World::new(made_up(1, 300)).await;
    world.settings.outage_limit_minutes = 0;
    world.node.set_faults(Faults { latency_ms: Some((50, 60)), ..Faults::default() });
    let worker = world.worker().await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let stores = async || {
        let stored = world.database.number("select count(*) from raw_transactions").await;
        (stored > 0).then_some(())
    };
    assert!(eventually(stores).await.is_some());
    world.node.set_faults(Faults { down: true, ..Faults::default() });
    world.until_over(id).await;
    worker.stop().await;
    // The attempt that has stored something came back; the next one, which could not, is the end.
    let free = "select count(*) from wallet_attempts where outcome = 'outage'";
    assert_eq!(world.database.number(free).await, 1);
    assert_eq!(world.rows(id).await.remove(0).error.unwrap().code, "provider-outage");
}

/// What the calls of a crowded process wait for each other, here the node makes them wait.
#[tokio::test(flavor = "multi_thread")]
async fn balances_that_took_long_are_kept_by_an_attempt_that_comes_no_further() {
    let mut world = World::new(made_up(1, 3)).await;
    world.settings.wallet_timeout_seconds = 5;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let pin = world.source().pin().await.unwrap();
    batches::set_pin(world.store(), id, pin).await.unwrap();
    world.node.set_faults(Faults { latency_ms: Some((2_900, 3_000)), ..Faults::default() });
    let worker = world.worker().await;
    world.until_done(id).await;
    worker.stop().await;
    let continued = "select count(*) from wallet_attempts where outcome = 'continued'";
    assert!(world.database.number(continued).await >= 1, "one attempt is too short for two rounds");
    assert_eq!(world.database.number(COSTLY).await, 0);
}

/// The others would be told the same: they stay in the queue, with their place and without an attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_wait_that_was_asked_for_holds_the_whole_chain_until_it_is_over() {
    let world = World::new(made_up(40, 2)).await;
    let id = world.submit(&world.node.chain().synthetic_wallets()).await;
    let pin = world.source().pin().await.unwrap();
    batches::set_pin(world.store(), id, pin).await.unwrap();
    world.node.set_faults(Faults {
        max_strikes: Some(1),
        retry_after: "13".to_owned(),
        ..Faults::always(FaultKind::Http429)
    });
    let worker = world.worker().await;
    world.until_done(id).await;
    worker.stop().await;
    let told = "select count(*) from wallet_attempts where outcome = 'provider_throttled'";
    let told = world.database.number(told).await;
    let slots = i64::from(world.settings.wallet_permits);
    assert!((1..=2 * slots).contains(&told), "{told} attempts in vain with {slots} slots");
    assert_eq!(world.database.number(COSTLY).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_source_that_never_answers_is_told_on_the_status() {
    let mut world = World::new(made_up(1, 5)).await;
    // Too short for as many tries as a call has.
    world.settings.wallet_timeout_seconds = 4;
    world.settings.call_timeout_seconds = 1;
    world.prices = llama_prices(&world.node, &world.settings);
    let only = Some("/llama".to_owned());
    world.node.set_faults(Faults { only, ..Faults::always(FaultKind::Hang) });
    let worker = world.worker().await;
    world.submit(&world.node.chain().synthetic_wallets()).await;
    let told = async || worker.worker.status().prices_away_since;
    assert!(eventually(told).await.is_some());
    worker.stop().await;
}
