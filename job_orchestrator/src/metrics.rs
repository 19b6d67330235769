//! The metrics of this crate, typed. No metric name stands anywhere else.

use prometheus::{
    HistogramOpts, HistogramTimer, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry,
};

use std::time::Duration;

use chrono::Utc;
use persistence_layer::retention;
use persistence_layer::wallet_tasks::TaskState;
use persistence_layer::webhooks::AttemptEnd;
use pnl_core::Chain;

/// A stage of a wallet, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading or choosing the pin of the batch.
    Pin,
    /// Balances, signature lists and transactions.
    Fetch,
    /// Placing the transactions.
    Order,
    /// Parsing, pricing and storing ledger events.
    Ledger,
    /// Reconciling, and building and storing the result.
    Finish,
}

impl Stage {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Fetch => "fetch",
            Self::Order => "order",
            Self::Ledger => "ledger",
            Self::Finish => "finish",
        }
    }
}

/// How an attempt ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The result is stored.
    Done,
    /// Given up.
    Failed,
    /// Given up at the time limit.
    TimedOut,
    /// Cancelled.
    Cancelled,
    /// Goes on later, free of charge.
    Requeued,
    /// Goes on later and paid an attempt.
    Retried,
    /// The lease was lost.
    LeaseLost,
}

impl AttemptOutcome {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Requeued => "requeued",
            Self::Retried => "retried",
            Self::LeaseLost => "lease_lost",
        }
    }
}

/// Counters, gauges and histograms of the workers of a process. A clone counts into the same ones.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) wallet_slots_in_use: IntGauge,
    wallet_attempts_total: IntCounterVec,
    wallet_stage_duration_seconds: HistogramVec,
    pub(crate) lease_takeovers_total: IntCounter,
    pub(crate) wallets_parked_total: IntCounter,
    webhook_attempts_total: IntCounterVec,
    chain_paused: IntGaugeVec,
    final_block_changes_total: IntCounterVec,
    continuous_wallets_total: IntCounterVec,
    retention_removed_rows_total: IntCounterVec,
    retention_last_run_timestamp_seconds: IntGauge,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// When `registry` already has one of the names.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            wallet_slots_in_use: IntGauge::new(
                "wallet_slots_in_use",
                "Wallets this process is working on; never above worker.wallet_permits.",
            )?,
            wallet_attempts_total: IntCounterVec::new(
                Opts::new("wallet_attempts_total", "Ended attempts at wallets by outcome."),
                &["chain", "outcome"],
            )?,
            wallet_stage_duration_seconds: HistogramVec::new(
                HistogramOpts::new(
                    "wallet_stage_duration_seconds",
                    "Time that one stage of one wallet took, ended early ones included.",
                )
                .buckets(vec![
                    0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0,
                ]),
                &["stage"],
            )?,
            lease_takeovers_total: IntCounter::new(
                "lease_takeovers_total",
                "Expired leases that this process returned to the queue.",
            )?,
            wallets_parked_total: IntCounter::new(
                "wallets_parked_total",
                "Wallets failed as worker-crashed after worker.max_takeovers.",
            )?,
            webhook_attempts_total: IntCounterVec::new(
                Opts::new(
                    "webhook_attempts_total",
                    "Tries to deliver a webhook by what became of it.",
                ),
                &["outcome"],
            )?,
            chain_paused: IntGaugeVec::new(
                Opts::new(
                    "chain_paused",
                    "1 while every provider of the chain is down or asks for a long wait.",
                ),
                &["chain"],
            )?,
            final_block_changes_total: IntCounterVec::new(
                Opts::new(
                    "final_block_changes_total",
                    "Times that a final block was found with another hash.",
                ),
                &["chain"],
            )?,
            continuous_wallets_total: IntCounterVec::new(
                Opts::new(
                    "continuous_wallets_total",
                    "Watched wallets whose rounds have ended, as this process noticed, by outcome.",
                ),
                &["outcome"],
            )?,
            retention_removed_rows_total: IntCounterVec::new(
                Opts::new(
                    "retention_removed_rows_total",
                    "Rows whose time was over that this process removed, by kind.",
                ),
                &["kind"],
            )?,
            retention_last_run_timestamp_seconds: IntGauge::new(
                "retention_last_run_timestamp_seconds",
                "When this process last finished a run of retention, in Unix time; 0: not yet.",
            )?,
        };
        // A kind of which nothing was removed yet shows 0, so that its first removal is an increase.
        for kind in retention::Kind::ALL {
            metrics.retention_removed(kind, 0);
        }
        for end in [
            AttemptEnd::Delivered,
            AttemptEnd::Again(Duration::ZERO),
            AttemptEnd::Failed,
            AttemptEnd::Gone,
        ] {
            metrics.webhook_attempts_total.with_label_values(&[outcome(&end)]);
        }
        for state in [TaskState::Done, TaskState::Failed, TaskState::TimedOut, TaskState::Cancelled]
        {
            metrics.continuous_wallets_total.with_label_values(&[state.as_str()]);
        }
        for chain in [Chain::Ethereum, Chain::Base, Chain::BinanceSmartChain] {
            metrics.final_block_changes_total.with_label_values(&[chain.as_str()]);
        }
        registry.register(Box::new(metrics.wallet_slots_in_use.clone()))?;
        registry.register(Box::new(metrics.wallet_attempts_total.clone()))?;
        registry.register(Box::new(metrics.wallet_stage_duration_seconds.clone()))?;
        registry.register(Box::new(metrics.lease_takeovers_total.clone()))?;
        registry.register(Box::new(metrics.wallets_parked_total.clone()))?;
        registry.register(Box::new(metrics.webhook_attempts_total.clone()))?;
        registry.register(Box::new(metrics.chain_paused.clone()))?;
        registry.register(Box::new(metrics.final_block_changes_total.clone()))?;
        registry.register(Box::new(metrics.continuous_wallets_total.clone()))?;
        registry.register(Box::new(metrics.retention_removed_rows_total.clone()))?;
        registry.register(Box::new(metrics.retention_last_run_timestamp_seconds.clone()))?;
        Ok(metrics)
    }

    /// Times one stage of one wallet until the timer is dropped.
    pub(crate) fn stage(&self, stage: Stage) -> HistogramTimer {
        self.wallet_stage_duration_seconds.with_label_values(&[stage.as_str()]).start_timer()
    }

    /// Counts an ended attempt.
    pub(crate) fn attempt(&self, chain: Chain, outcome: AttemptOutcome) {
        self.wallet_attempts_total.with_label_values(&[chain.as_str(), outcome.as_str()]).inc();
    }

    /// Counts that a final block of the chain has changed.
    pub(crate) fn final_block_changed(&self, chain: Chain) {
        self.final_block_changes_total.with_label_values(&[chain.as_str()]).inc();
    }

    /// Counts an attempt to deliver a webhook.
    pub(crate) fn webhook_attempted(&self, end: &AttemptEnd) {
        self.webhook_attempts_total.with_label_values(&[outcome(end)]).inc();
    }

    /// Counts a watched wallet whose round has ended.
    pub(crate) fn round_ended(&self, state: TaskState) {
        self.continuous_wallets_total.with_label_values(&[state.as_str()]).inc();
    }

    /// Counts rows that retention has removed.
    pub(crate) fn retention_removed(&self, kind: retention::Kind, rows: u64) {
        self.retention_removed_rows_total.with_label_values(&[kind.as_str()]).inc_by(rows);
    }

    /// Notes that this process has finished a run of retention.
    pub(crate) fn retention_finished(&self) {
        self.retention_last_run_timestamp_seconds.set(Utc::now().timestamp());
    }

    /// Notes whether the gate of the chain is closed.
    pub(crate) fn chain_paused(&self, chain: Chain, paused: bool) {
        self.chain_paused.with_label_values(&[chain.as_str()]).set(i64::from(paused));
    }
}

/// The label of what became of an attempt.
const fn outcome(end: &AttemptEnd) -> &'static str {
    match end {
        AttemptEnd::Delivered => "delivered",
        AttemptEnd::Again(_) => "retried",
        AttemptEnd::Failed => "failed",
        AttemptEnd::Gone => "gone",
    }
}
