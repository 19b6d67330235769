//! From booked events to the stored result: balances, coverage, report.

use std::collections::{BTreeMap, BTreeSet};

use chain_client::Snapshot;
use chain_client::evm::Capability;
use persistence_layer::ledgers::{LedgerHead, LedgerStays};
use persistence_layer::results::SummaryRow;
use persistence_layer::wallet_tasks::FinishedWallet;
use pnl_core::ledger::HistoryFacts;
use pnl_core::report::{
    self, Comparison, Coverage, History, ReportInput, Truncation, WalletReport,
};
use pnl_core::{AmountError, AssetId, Pin, RawAmount};
use tx_parser::solana::WRAPPED_NATIVE_MINTS;

use super::ledger::Books;
use super::plan::PlanHead;
use super::prices;
use crate::attempt::Attempt;
use crate::compute::compute_over;
use crate::error::StageError;
use crate::sources::Source;

/// Values what is left, compares with the balances and writes the report.
pub(crate) async fn run(
    attempt: &Attempt,
    pin: Pin,
    balances: Option<BTreeMap<AssetId, RawAmount>>,
    plan: &PlanHead,
    books: Books,
    calls: impl FnOnce() -> serde_json::Result<serde_json::Value>,
) -> Result<FinishedWallet, StageError> {
    let Books { mut builder, engine, stored, last_block, last_time, .. } = books;
    // What is held at the pin says nothing about an earlier moment.
    let end = attempt.analysis.end_of_history(pin, last_block, last_time);
    let is_past = end != pin;
    let balances = balances.filter(|_| !is_past);
    let pin = end;
    let table = prices::load(attempt, builder.pin_requests(&pin)).await?;
    let pin_prices = builder.pin_prices(&pin, &table);
    let knows_balances = balances.is_some();
    let history = History {
        wallet: attempt.wallet().clone(),
        chain: attempt.chain(),
        pin,
        facts: builder.facts().clone(),
        prices: pin_prices,
        balances,
        is_past,
        compared_elsewhere: Comparison::default(),
        coverage: coverage(attempt, plan, builder.facts(), knows_balances),
        parser_version: tx_parser::PARSER_VERSION.to_owned(),
        price_set_hash: builder.price_set_hash(),
        input_hash: builder.input_hash(tx_parser::PARSER_VERSION, &pin),
    };
    // The last call was for the prices above.
    let calls = calls().map_err(|error| StageError::Storage { detail: error.to_string() })?;
    let window = attempt.analysis.time_range.resolve(pin);
    let transactions = builder.transactions_in_window();
    let read = builder.facts().transactions;
    // A ledger that was asked for up to a moment is not kept, also where the chain had not reached the moment.
    let ledger_stays = match (plan.cut, attempt.analysis.time_range.end()) {
        (None, None) => LedgerStays::Current,
        (Some(_), None) => LedgerStays::ForResult,
        (_, Some(_)) => LedgerStays::No,
    };
    let analysis_is_default = attempt.analysis.is_default();
    compute_over(read, move || {
        let outcome = engine.finish(Some(&history.prices)).map_err(StageError::engine)?;
        let input = ReportInput { history: &history, outcome: &outcome, window, transactions };
        let report =
            report::build(input).map_err(|error| StageError::uncomputable(error.code(), &error))?;
        let json = |error: serde_json::Error| StageError::Storage { detail: error.to_string() };
        let report_json = serde_json::to_string(&report).map_err(json)?;
        let ledger = match stored {
            Some(stored) => Some(LedgerHead {
                ledger_id: stored.id,
                pin,
                input_hash: history.input_hash.clone(),
                price_set_hash: history.price_set_hash.clone(),
                coverage: serde_json::to_value(&report.coverage).map_err(json)?,
                chunks: stored.chunks,
                events: stored.events,
                context: serde_json::to_value(&history).map_err(json)?,
            }),
            None => None,
        };
        let summary =
            summary(&report, pin, analysis_is_default && ledger_stays == LedgerStays::Current);
        Ok(FinishedWallet { ledger, ledger_stays, report_json, summary, calls })
    })
    .await
}

/// The figures of a result that lists need; `is_latest`: whether it may stand for the wallet there.
pub(crate) fn summary(report: &WalletReport, pin: Pin, is_latest: bool) -> SummaryRow {
    SummaryRow {
        pin,
        total_pnl_usd: report.total_pnl_usd,
        realized_gain_usd: report.realized_gain_usd,
        unrealized_gain_usd: report.unrealized_gain_usd,
        fees_usd: report.fees_usd,
        trades: report.trades,
        transactions: report.transactions,
        token_win_rate: report.metrics.token_win_rate.as_ref().map(ToString::to_string),
        complete: report.coverage.complete,
        full_history_default_method: is_latest,
    }
}

/// What the wallet holds at the pin, when that can be said: the chain tells what is held now, and
/// newer movements hide what was held at the pin.
pub(crate) fn of_solana(
    snapshot: &Snapshot,
    plan: &PlanHead,
) -> Result<Option<BTreeMap<AssetId, RawAmount>>, StageError> {
    (!plan.newer_activity)
        .then(|| balances(snapshot))
        .transpose()
        .map_err(|error| StageError::uncomputable("amount-out-of-range", &error))
}

/// What the wallet holds per asset: lamports of its own account and of every token account it owns,
/// and the tokens. Wrapped SOL is SOL: its lamports are in its account.
fn balances(snapshot: &Snapshot) -> Result<BTreeMap<AssetId, RawAmount>, AmountError> {
    let mut balances = BTreeMap::new();
    let mut native = RawAmount::from(snapshot.native_own_lamports);
    for account in &snapshot.token_accounts {
        native = native.checked_add(account.lamports.into())?;
        if !WRAPPED_NATIVE_MINTS.contains(&account.mint.as_str()) {
            let held: &mut RawAmount =
                balances.entry(AssetId::new(account.mint.as_str())).or_default();
            *held = held.checked_add(account.raw)?;
        }
    }
    balances.insert(AssetId::native(), native);
    Ok(balances)
}

/// What was read. Everything that the source has, or the stage would have failed; cut or not.
fn coverage(
    attempt: &Attempt,
    plan: &PlanHead,
    facts: &HistoryFacts,
    knows_balances: bool,
) -> Coverage {
    // Kinds, not names: which provider answered is no property of the history.
    let kinds: BTreeSet<&str> =
        attempt.source.common().status().iter().map(|provider| provider.kind).collect();
    let mut missing = plan.missing.clone();
    if let Source::Evm(..) = &attempt.source {
        let gaps = [
            (facts.incomplete_native > 0, Capability::Traces),
            (facts.incomplete_fee > 0, Capability::L1Fee),
            (!knows_balances, Capability::PastBalances),
        ];
        let gaps = gaps.into_iter().filter(|(is_gap, _)| *is_gap);
        missing.extend(gaps.map(|(_, capability)| capability.as_str().to_owned()));
    }
    Coverage {
        complete: plan.cut.is_none() && missing.is_empty(),
        sources: kinds.into_iter().map(str::to_owned).collect(),
        missing,
        truncated: plan.cut.map(|cut| Truncation {
            reason: cut.reason().to_owned(),
            oldest_block: plan.oldest_block,
        }),
    }
}
