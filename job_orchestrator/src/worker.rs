//! One wallet from its claim to the end of the attempt.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;

use chain_client::CallCounter;
use futures::FutureExt;
use persistence_layer::groups;
use persistence_layer::wallet_tasks::{self, Transition};
use persistence_layer::wallet_work;
use pnl_core::{AssetId, Pin, RawAmount};
use service_runtime::telemetry::Chain;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::attempt::Attempt;
use crate::error::StageError;
use crate::metrics::{AttemptOutcome, Stage};
use crate::outcome::{self, AttemptEnd, Decision, RetryRules, Spent};
use crate::running::{Stop, StopSignal};
use crate::sources::Source;
use crate::stages;
use crate::stages::plan::Plan;

/// Pause before the end of an attempt is written again when the database is away.
const SETTLE_PAUSE: Duration = Duration::from_millis(500);

/// Works on the wallet until it is done, fails, runs out of time or is told to stop, and writes
/// what became of it.
pub(crate) async fn run(attempt: Attempt, mut stop: StopSignal, shutdown: CancellationToken) {
    let gates = &attempt.gates;
    tracing::info!(attempts = attempt.lease.attempts, "acquired processing slot");
    let begun = Instant::now();
    let calls = CallCounter::new();
    let end = tokio::select! {
        // A wallet that is done is done, also when the order to stop came at the same moment.
        biased;
        end = calls.scope(Box::pin(work(&attempt, &calls))) => end,
        reason = stop.wait() => Err(match reason {
            Stop::LeaseLost => AttemptEnd::LeaseLost,
            Stop::Cancelled => AttemptEnd::Cancelled,
            Stop::Released => AttemptEnd::Released,
        }),
    };
    let seconds = begun.elapsed().as_secs_f64();
    match end {
        Ok(()) => {
            gates.worked(attempt.chain());
            attempt.metrics.attempt(attempt.chain(), AttemptOutcome::Done);
            tracing::info!(seconds, "wallet done");
        }
        Err(end) => {
            if attempt.progressed.load(Ordering::Relaxed) {
                gates.worked(attempt.chain());
            }
            match &end {
                AttemptEnd::Failed(StageError::Outage { detail }) => {
                    let source = attempt.source.common();
                    gates.close(attempt.chain(), detail, source, shutdown);
                }
                AttemptEnd::Failed(StageError::RateLimited { .. }) => {
                    gates.throttled(attempt.chain(), &attempt.source.common().status());
                }
                AttemptEnd::Failed(StageError::PricesAway { .. }) => gates.prices_away(),
                _ => {}
            }
            settle(&attempt, &end, seconds).await;
        }
    }
    if attempt.analysis.group
        && let Err(error) = groups::wake(&attempt.store, Some(attempt.lease.batch)).await
    {
        // The next sweep does it.
        tracing::debug!(%error, "the group of the batch was not woken");
    }
}

/// Ends a wallet whose batch asks for something that this version cannot read.
pub(crate) async fn refuse(attempt: Attempt, error: &str) {
    let error = StageError::uncomputable("unreadable-request", &error);
    settle(&attempt, &AttemptEnd::Failed(error), 0.0).await;
}

/// The stages under the time limit. A panic in them ends this wallet only.
async fn work(attempt: &Attempt, calls: &CallCounter) -> Result<(), AttemptEnd> {
    let limit = attempt.settings.wallet_timeout();
    let stages = AssertUnwindSafe(stages_or_anew(attempt, calls)).catch_unwind();
    match tokio::time::timeout(limit, stages).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(AttemptEnd::Failed(error)),
        Ok(Err(_panic)) => Err(AttemptEnd::Panicked),
        Err(_) => {
            let progressed = attempt.progressed.load(Ordering::Relaxed);
            Err(AttemptEnd::TimedOut { limit, progressed })
        }
    }
}

/// The stages; once more from what is left of the chain data alone when what earlier attempts have
/// left of their work cannot be read.
async fn stages_or_anew(attempt: &Attempt, calls: &CallCounter) -> Result<(), StageError> {
    match stages(attempt, calls).await {
        Err(StageError::LeftWork { detail }) => {
            tracing::warn!(detail, "what earlier attempts have left cannot be read; made anew");
            wallet_work::discard(&attempt.store, &attempt.lease).await?;
            stages(attempt, calls).await
        }
        end => end,
    }
}

async fn stages(attempt: &Attempt, calls: &CallCounter) -> Result<(), StageError> {
    if groups::is_name(attempt.wallet()) {
        return group(attempt).await;
    }
    let pin = staged(attempt, Stage::Pin, stages::pin::run(attempt)).await?;
    let (balances, plan) = match &attempt.source {
        Source::Solana(_) => solana_plan(attempt, pin).await?,
        Source::Evm(source, network) => {
            let plan = match stages::plan::earlier(attempt, pin).await? {
                Some(plan) => plan,
                None => {
                    let run = stages::evm::run(attempt, source.as_ref(), *network, pin);
                    staged(attempt, Stage::Fetch, run).await?
                }
            };
            (plan.head.balances.clone(), plan)
        }
    };
    // The books are large, and would be part of every attempt from its beginning.
    let ledger = Box::pin(stages::ledger::run(attempt, pin, &plan));
    let books = staged(attempt, Stage::Ledger, ledger).await?;
    let finish = async {
        let by_method = || serde_json::to_value(calls.by_method());
        let finished =
            stages::finish::run(attempt, pin, balances, &plan.head, books, by_method).await?;
        if attempt.analysis.group
            && let Some(head) = &finished.ledger
        {
            groups::keep(&attempt.store, &attempt.lease, head).await?;
        }
        Ok(wallet_tasks::finish(&attempt.store, &attempt.lease, finished).await?)
    };
    staged(attempt, Stage::Finish, finish).await
}

/// The stages of a group.
async fn group(attempt: &Attempt) -> Result<(), StageError> {
    let merge = Box::pin(stages::group::run(attempt));
    let (finished, is_complete) = staged(attempt, Stage::Ledger, merge).await?;
    let (store, lease) = (&attempt.store, &attempt.lease);
    staged(attempt, Stage::Finish, async {
        Ok(wallet_tasks::finish(store, lease, finished).await?)
    })
    .await?;
    if is_complete && let Err(error) = groups::let_go(store, &lease.batch_ref()).await {
        // They go with the batch.
        tracing::debug!(%error, "the ledgers kept for the group were not let go");
    }
    Ok(())
}

/// What a wallet of Solana holds at the pin, and the plan of its books.
async fn solana_plan(
    attempt: &Attempt,
    pin: Pin,
) -> Result<(Option<BTreeMap<AssetId, RawAmount>>, Plan), StageError> {
    let balances = stages::fetch::balances(attempt, pin);
    let balances = staged(attempt, Stage::Fetch, balances).await?;
    // They may be those of an earlier attempt, and this process has not asked for anything yet.
    attempt.solana()?.note_seen(balances.snapshot.newest_slot.max(balances.snapshot.slot));
    let (snapshot, plan) = match stages::plan::earlier(attempt, pin).await? {
        Some(plan) => (balances.snapshot, plan),
        None => {
            let fetch = stages::fetch::run(attempt, pin, balances);
            let (snapshot, fetched) = staged(attempt, Stage::Fetch, fetch).await?;
            let order = stages::history::run(attempt, pin, fetched);
            (snapshot, staged(attempt, Stage::Order, order).await?)
        }
    };
    Ok((stages::finish::of_solana(&snapshot, &plan.head)?, plan))
}

/// Runs a stage in its span, timed.
async fn staged<T>(
    attempt: &Attempt,
    stage: Stage,
    work: impl Future<Output = Result<T, StageError>>,
) -> Result<T, StageError> {
    let _timer = attempt.metrics.stage(stage);
    attempt.stage.enter(stage);
    work.instrument(tracing::info_span!("stage", stage = stage.as_str())).await
}

/// Writes the end of an attempt that has no result.
async fn settle(attempt: &Attempt, end: &AttemptEnd, seconds: f64) {
    let rules = RetryRules {
        max_attempts: attempt.settings.max_attempts,
        max_continuations: attempt.settings.max_continuations,
        backoff: Duration::from_secs(attempt.settings.backoff_seconds),
        outage_limit_passed: outage_limit_passed(attempt, end).await,
    };
    let spent =
        Spent { attempts: attempt.lease.attempts, continuations: attempt.lease.continuations };
    let jitter = rand::random_range(0..=1000);
    let decision = outcome::decide(end, spent, &rules, jitter);
    log_end(end, &decision, seconds);
    attempt.metrics.attempt(attempt.chain(), outcome_label(&decision));
    let Decision::Apply(transition) = decision else { return };
    note_what_was_stored(attempt, end).await;

    // With the database away the lease is worth a few tries; afterwards the sweeper has it.
    let written = async {
        loop {
            match wallet_tasks::transition(&attempt.store, &attempt.lease, &transition).await {
                Ok(()) => return,
                Err(error) if error.is_transient() => tokio::time::sleep(SETTLE_PAUSE).await,
                Err(error) => {
                    let code = error.code();
                    tracing::warn!(code, error = %Chain(&error), "the end of the attempt was not stored");
                    return;
                }
            }
        }
    };
    if tokio::time::timeout(attempt.settings.lease(), written).await.is_err() {
        tracing::warn!("the end of the attempt could not be stored in time; its lease lapses");
    }
}

/// Not all that is stored for a wallet is stored under its lease: facts of tokens, what other wallets
/// brought. For one that is put off it has to count, or an old put-off would be the end of the next one.
async fn note_what_was_stored(attempt: &Attempt, end: &AttemptEnd) {
    let is_put_off = matches!(end, AttemptEnd::Failed(error) if error.puts_off());
    if !is_put_off || !attempt.progressed.load(Ordering::Relaxed) {
        return;
    }
    let noting = wallet_tasks::note_progress(&attempt.store, &attempt.lease);
    match tokio::time::timeout(attempt.settings.lease(), noting).await {
        Ok(Ok(())) => {}
        // Then at worst an earlier put-off counts once more.
        Ok(Err(error)) => tracing::debug!(%error, "progress was not noted"),
        Err(elapsed) => tracing::debug!(%elapsed, "progress was not noted"),
    }
}

/// Whether an attempt that somebody put off comes after the outage limit: that of the chain or that of
/// the wallet. Never when it has stored something.
async fn outage_limit_passed(attempt: &Attempt, end: &AttemptEnd) -> bool {
    let AttemptEnd::Failed(error) = end else { return false };
    if !error.puts_off() || attempt.progressed.load(Ordering::Relaxed) {
        return false;
    }
    let gates = &attempt.gates;
    if matches!(error, StageError::Outage { .. }) && gates.limit_passed(attempt.chain()) {
        return true;
    }
    let asked = wallet_tasks::put_off(&attempt.store, &attempt.lease);
    match tokio::time::timeout(attempt.settings.lease(), asked).await {
        Ok(Ok(put_off)) => outcome::put_off_for_too_long(put_off, gates.limit()),
        // Then it is free once more.
        Ok(Err(_)) | Err(_) => false,
    }
}

fn log_end(end: &AttemptEnd, decision: &Decision, seconds: f64) {
    let next = match decision {
        Decision::Leave => "left to its new holder",
        Decision::Apply(Transition::End { state, .. }) => state.as_str(),
        Decision::Apply(Transition::Requeue { reason, .. }) => reason.as_str(),
    };
    match end {
        AttemptEnd::TimedOut { limit, progressed } => {
            tracing::warn!(next, progressed, "{}", outcome::limit_text(*limit));
        }
        AttemptEnd::Failed(error) => {
            tracing::warn!(next, seconds, code = error.code(), %error, "the attempt failed");
        }
        AttemptEnd::Panicked => tracing::error!(next, seconds, "the wallet's work panicked"),
        AttemptEnd::Cancelled => tracing::info!(next, seconds, "the wallet was cancelled"),
        AttemptEnd::Released => tracing::info!(next, seconds, "the wallet was released"),
        AttemptEnd::LeaseLost => tracing::warn!(next, seconds, "the lease was lost"),
    }
}

fn outcome_label(decision: &Decision) -> AttemptOutcome {
    use persistence_layer::wallet_tasks::EndState;
    match decision {
        Decision::Leave => AttemptOutcome::LeaseLost,
        Decision::Apply(Transition::Requeue { costs_attempt: true, .. }) => AttemptOutcome::Retried,
        Decision::Apply(Transition::Requeue { .. }) => AttemptOutcome::Requeued,
        Decision::Apply(Transition::End { state, .. }) => match state {
            EndState::Failed => AttemptOutcome::Failed,
            EndState::TimedOut => AttemptOutcome::TimedOut,
            EndState::Cancelled => AttemptOutcome::Cancelled,
        },
    }
}
