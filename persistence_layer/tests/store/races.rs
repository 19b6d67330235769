//! Many ends, cancels, retries and takeovers of the same batches at once: what must hold whatever
//! meets whatever.

use std::time::Duration;

use futures::future::join_all;
use persistence_layer::Store;
use persistence_layer::batches::{self, Admission, BatchId, BatchState};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::wallet_tasks::{
    self, EndState, Lease, Transition, WaitReason, WorkerId, sweep,
};
use rand_like::Dice;

use crate::support::{
    LONG, batch, claim, everybodys, failed, finished, new_batch, requeue, submit,
};

/// Luck that a seed decides, so that a failure can be repeated as far as timing lets it.
mod rand_like {
    /// A die; xorshift.
    pub struct Dice(u64);

    impl Dice {
        pub fn new(seed: u64) -> Self {
            Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
        }

        /// A number below `sides`.
        pub fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }
    }
}

/// What must be true at every moment, in one look at the database.
async fn check(database: &TestDatabase) {
    let broken: Vec<String> = sqlx::query_scalar(
        "with tasks as (
             select batch_id, count(*) as total,
                 count(*) filter (where state in ('queued', 'delayed', 'running')) as open,
                 count(*) filter (where state = 'done') as done,
                 count(*) filter (where state = 'failed') as failed,
                 count(*) filter (where state = 'timed_out') as timed_out,
                 count(*) filter (where state = 'cancelled') as cancelled
             from wallet_tasks group by batch_id),
         results as (select batch_id, count(*) as results from pnl_results group by batch_id)
         select concat_ws(' ', b.id, b.state, t.*, r.results)
         from batches b join tasks t on t.batch_id = b.id
         left join results r on r.batch_id = b.id
         where t.total <> b.total
            or (b.state = 'active') <> (t.open > 0)
            or coalesce(r.results, 0) <> t.done
            or (b.state <> 'active' and (b.done, b.failed, b.timed_out, b.cancelled)
                <> (t.done, t.failed, t.timed_out, t.cancelled))
            or (b.state = 'completed') <> (b.state <> 'active' and t.done = b.total)
         union all
         select concat_ws(' ', 'attempt', a.task, a.fence, a.outcome)
         from wallet_attempts a join wallet_tasks t on t.id = a.task
         where (a.ended is null) <> (t.state = 'running' and t.fence = a.fence)",
    )
    .fetch_all(&mut database.connection().await)
    .await
    .unwrap();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// One of the ends an attempt can have; most often a result.
async fn end(store: &Store, lease: &Lease, dice: &mut Dice) {
    let soon = Transition::Requeue {
        delay: Duration::from_millis(2),
        reason: WaitReason::Backoff,
        costs_attempt: true,
        error: None,
    };
    let outcome = match dice.roll(8) {
        0 => wallet_tasks::transition(store, lease, &failed()).await,
        1 => wallet_tasks::transition(store, lease, &requeue(WaitReason::Continued)).await,
        2 => wallet_tasks::transition(store, lease, &soon).await,
        3 => {
            let over = Transition::End { state: EndState::TimedOut, error: None };
            wallet_tasks::transition(store, lease, &over).await
        }
        // Dies: the sweep finds the lease.
        4 => Ok(()),
        _ => wallet_tasks::finish(store, lease, finished()).await,
    };
    if let Err(error) = outcome {
        assert_eq!(error.code(), "lease-lost", "{error}");
    }
}

async fn work(store: &Store, seed: u64, open: impl AsyncFn() -> bool) {
    let mut dice = Dice::new(seed);
    let worker = WorkerId::generate();
    while open().await {
        let lease = if dice.roll(3) == 0 { Duration::from_millis(20) } else { LONG };
        let free = u32::try_from(dice.roll(4) + 1).unwrap();
        let held = wallet_tasks::claim(store, &worker, free, lease, &[]).await.unwrap();
        if held.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for held in &held {
            end(store, held, &mut dice).await;
        }
    }
}

#[tokio::test]
async fn cancels_and_retries_that_race_with_workers_break_nothing() {
    let database = TestDatabase::with_connections(20).await;
    let store = database.store();
    let admission = Admission { max_concurrent: 3, queue_limit: 10 };
    let mut ids: Vec<BatchId> = Vec::new();
    for n in 0..6 {
        let new = new_batch(n * 20..n * 20 + 30);
        batches::submit(store, &new, admission).await.unwrap();
        ids.push(new.id);
    }
    let over = async || {
        for id in &ids {
            if !batch(store, *id).await.state.is_terminal() {
                return false;
            }
        }
        true
    };
    let meddle = async |seed: u64| {
        let mut dice = Dice::new(seed);
        for _ in 0..40 {
            let id = ids[usize::try_from(dice.roll(6)).unwrap()];
            match dice.roll(5) {
                0 => drop(batches::cancel(store, &everybodys(id)).await.unwrap()),
                1 | 2 => drop(batches::retry(store, &everybodys(id), admission).await.unwrap()),
                _ => drop(sweep(store, 3).await.unwrap()),
            }
            check(&database).await;
        }
    };
    let meddled = std::sync::atomic::AtomicBool::new(false);
    let open = async || {
        // Whoever died with a long lease is not waited for.
        expire_leases(&database).await;
        sweep(store, 3).await.unwrap();
        !(meddled.load(std::sync::atomic::Ordering::Relaxed) && over().await)
    };
    let workers = join_all((1..=6).map(|seed| work(store, seed, &open)));
    let meddlers = async {
        join_all([meddle(11), meddle(12)]).await;
        meddled.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(workers, meddlers);
    check(&database).await;
    for id in ids {
        assert!(batch(store, id).await.state.is_terminal());
    }
}

/// Every lease runs out that was claimed a while ago.
async fn expire_leases(database: &TestDatabase) {
    sqlx::query(
        "update wallet_tasks t set lease_until = now() - interval '1 second'
         where t.id in (
             select w.id from wallet_tasks w
             join wallet_attempts a on a.task = w.id and a.fence = w.fence
             where w.state = 'running' and a.started < clock_timestamp() - interval '200 ms'
             for update of w skip locked)",
    )
    .execute(&mut database.connection().await)
    .await
    .unwrap();
}

#[tokio::test]
async fn the_last_wallets_of_a_batch_close_it_whoever_ends_them() {
    let database = TestDatabase::with_connections(20).await;
    let store = database.store();
    let other = database.second_store().await;
    for round in 0..15 {
        let id = submit(store, 0..24).await;
        let mut held = claim(store, &WorkerId::generate(), 16).await;
        // Some still wait when the first ends begin, and are claimed while these are written.
        let rest = async {
            let late = claim(&other, &WorkerId::generate(), 8).await;
            join_all(
                late.iter()
                    .map(async |lease| wallet_tasks::finish(&other, lease, finished()).await),
            )
            .await
        };
        let tail = held.split_off(8);
        let ends = join_all(held.iter().chain(&tail).enumerate().map(async |(n, lease)| {
            if n % 5 == round % 5 {
                wallet_tasks::transition(store, lease, &failed()).await
            } else {
                wallet_tasks::finish(store, lease, finished()).await
            }
        }));
        let (rest, ends) = tokio::join!(rest, ends);
        assert!(rest.iter().chain(&ends).all(Result::is_ok), "{rest:?} {ends:?}");
        assert_eq!(batch(store, id).await.state, BatchState::CompletedWithErrors);
        check(&database).await;
    }
    other.close().await;
}

#[tokio::test]
async fn a_late_finish_that_races_with_its_successor_stores_one_result() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for _ in 0..20 {
        let id = submit(store, 0..1).await;
        let slow = crate::support::claim_and_die(store).await;
        let taken = async {
            sweep(store, 20).await.unwrap();
            match claim(store, &WorkerId::generate(), 1).await.pop() {
                Some(lease) => wallet_tasks::finish(store, &lease, finished()).await.is_ok(),
                None => false,
            }
        };
        let report = finished();
        let (late, taken) = tokio::join!(wallet_tasks::finish(store, &slow, report), taken);
        assert!(late.is_ok() != taken, "exactly one of the two");
        assert_eq!(batch(store, id).await.state, BatchState::Completed);
        check(&database).await;
    }
}
