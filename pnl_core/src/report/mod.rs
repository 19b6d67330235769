//! The result of a wallet: what clients read.
//!
//! A report is a pure function of the stored history and the engine's outcome: equal inputs give
//! byte-equal JSON. Members are added, never renamed. Money is exact decimal text.
//!
//! What is of the window and what of the pin: gains, income, fees, trades, transactions, metrics and
//! unmatched quantities are of the window, by the time of each record. Holdings, their basis and
//! their unrealized gain are of the pin. Lots always begin with the history.
//!
//! The rent pool: `tokens` and `lots` show the wallet alone. The unrealized gain of the whole
//! includes the deposits, which are the wallet's money; the native row names their part.

mod audit;
mod coverage;
mod tokens;
mod wallet_pnl;
mod warnings;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

pub use audit::{AssetAudit, Audit, Residual};
pub use coverage::{Comparison, Coverage, History, Truncation, UnexplainedRaw};
pub use tokens::{RentHolding, TokenRow};
pub use wallet_pnl::WalletPnl;
pub use warnings::Warning;

use crate::amount::{AmountError, RawAmount, Usd, UsdPrice};
use crate::asset::AssetId;
use crate::bounds::{self, Bounds, Knowledge, Known};
use crate::chain::Pin;
use crate::engine::{Options, Outcome, Window};
use crate::hash::ENGINE_VERSION;
use crate::ledger::RENT_SUFFIX;
use crate::method::Method;
use crate::metrics::Metrics;
use crate::time::rfc3339;

/// The result object of a wallet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalletReport {
    /// The cost-basis method.
    pub method: Method,
    /// The accounting options, every one spelled out.
    pub options: Options,
    /// The span of time; times as RFC 3339.
    #[serde(serialize_with = "window_as_text")]
    pub window: Window,
    /// Gain of all disposals of known basis and proceeds.
    pub realized_gain_usd: Usd,
    /// Value of what was earned.
    pub income_usd: Usd,
    /// Value of fees that no trade carries.
    pub fee_expense_usd: Usd,
    /// Realized gain plus income less fee expense.
    pub net_realized_usd: Usd,
    /// Market value less basis of what is held with known basis and has a price at the pin.
    pub unrealized_gain_usd: Usd,
    /// Net realized plus unrealized.
    pub total_pnl_usd: Usd,
    /// Value of all fees and tips, those that trades carry included.
    pub fees_usd: Usd,
    /// Proceeds of quantities whose basis is unknown; no gain is booked on them.
    pub unknown_proceeds_usd: Usd,
    /// Proceeds of quantities beyond the known history; no gain is booked on them.
    pub unmatched_proceeds_usd: Usd,
    /// Disposals of tokens with a known gain; fees and quote assets are no trades.
    pub trades: u64,
    /// Transactions of the wallet, failed ones included.
    pub transactions: u64,
    /// Trading metrics.
    pub metrics: Metrics,
    /// One row per asset that ever moved.
    pub tokens: Vec<TokenRow>,
    /// Holdings of known basis without a price at the pin, in the order of assets.
    pub unpriced_assets: Vec<AssetId>,
    /// Balance less movements per asset where they differ; `None` when that cannot be compared.
    pub unexplained_raw: Option<Vec<UnexplainedRaw>>,
    /// What the realized gain can be where a basis or a price is unknown; `None` in a ledger of a version
    /// that did not note prices, or when a bound does not fit.
    pub bounds: Option<Bounds>,
    /// How much of the disposals is known whole.
    pub coverage_score: Known,
    /// Where every dollar of cost and every base unit went, up to the pin.
    pub conservation: Audit,
    /// Up to where; the time as RFC 3339.
    #[serde(serialize_with = "pin_as_text")]
    pub pinned: Pin,
    /// What was looked at.
    pub coverage: Coverage,
    /// What a reader must know.
    pub warnings: Vec<Warning>,
    /// Version of the accounting rules.
    pub engine_version: &'static str,
    /// Version of the parser.
    pub parser_version: String,
    /// Fingerprint of the prices used.
    pub price_set_hash: String,
    /// Fingerprint of the transactions and rules.
    pub input_hash: String,
}

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The stored history beside its events.
    pub history: &'a History,
    /// The engine's outcome over all events of the history, finished with the history's prices.
    pub outcome: &'a Outcome,
    /// The span of time to report.
    pub window: Window,
    /// Transactions of the wallet in that span; see
    /// [`crate::ledger::LedgerBuilder::transactions_in_window`]. Of the full history it is
    /// [`crate::ledger::HistoryFacts::transactions`].
    pub transactions: u64,
}

impl ReportInput<'_> {
    /// Whether something in `place` belongs to the wallet itself, or to one of a group, rather than to a
    /// rent pool. With lots pooled over all places there is no place, and the deposits cannot be told apart.
    fn is_of_wallet(&self, place: &str) -> bool {
        !place.ends_with(RENT_SUFFIX)
    }

    /// Base units disposed of in `window` that no lot covers, by asset.
    fn unmatched(&self, window: &Window) -> Result<BTreeMap<&AssetId, RawAmount>, AmountError> {
        let mut sums: BTreeMap<&AssetId, RawAmount> = BTreeMap::new();
        let span = *window;
        for disposal in self.outcome.records.disposals_where(move |ts, _| span.contains(ts)) {
            if !disposal.unmatched.is_zero() {
                let sum = sums.entry(disposal.asset).or_default();
                *sum = sum.checked_add(disposal.unmatched)?;
            }
        }
        Ok(sums)
    }
}

/// Why there is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// A sum does not fit.
    #[error("report: {0}")]
    Amount(#[from] AmountError),
    /// The engine was finished without the prices at the pin.
    #[error("report: the outcome was closed without prices")]
    Unvalued,
}

impl ReportError {
    /// The stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Amount(_) => "amount-out-of-range",
            Self::Unvalued => "report-unvalued",
        }
    }
}

/// Builds the result of a wallet.
///
/// # Errors
/// See [`ReportError`].
pub fn build(input: ReportInput<'_>) -> Result<WalletReport, ReportError> {
    let ReportInput { history, outcome, window, transactions } = input;
    let in_window = outcome.window(&window)?;
    let flows = &in_window.flows;
    let totals = &outcome.totals;
    let (Some(unrealized), Some(unpriced)) = (totals.unrealized_gain, &totals.unpriced_holdings)
    else {
        return Err(ReportError::Unvalued);
    };
    let unpriced: BTreeSet<AssetId> = unpriced.iter().cloned().collect();
    let unpriced_assets: Vec<AssetId> = unpriced.into_iter().collect();
    let tokens = tokens::rows(&input, &in_window)?;
    let unexplained_raw = history.unexplained()?;
    let comparison = history.comparison()?;
    let warnings = warnings::of(&input, &tokens, &comparison, &unpriced_assets)?;
    let metrics = Metrics::of(outcome, &window)?;
    let coverage = history.judged()?;
    let seen = Seen { history, comparison: &comparison, complete: coverage.complete };
    let bounds = bounds_of(outcome, &window, &seen);
    let coverage_score = bounds::known(outcome, &window, |asset| seen.lacks_some(asset));
    let net_realized = flows.net_realized()?;
    Ok(WalletReport {
        method: outcome.method,
        options: outcome.options.clone(),
        window,
        realized_gain_usd: flows.realized_gain,
        income_usd: flows.income,
        fee_expense_usd: flows.fee_expense,
        net_realized_usd: net_realized,
        unrealized_gain_usd: unrealized,
        total_pnl_usd: net_realized.checked_add(unrealized)?,
        fees_usd: flows.fees_usd,
        unknown_proceeds_usd: flows.unknown_proceeds,
        unmatched_proceeds_usd: flows.unmatched_proceeds,
        trades: metrics.trades,
        transactions,
        metrics,
        tokens,
        unpriced_assets,
        coverage,
        bounds,
        coverage_score,
        conservation: audit::of(history, &outcome.conservation, &comparison)?,
        unexplained_raw,
        pinned: history.pin,
        warnings,
        engine_version: ENGINE_VERSION,
        parser_version: history.parser_version.clone(),
        price_set_hash: history.price_set_hash.clone(),
        input_hash: history.input_hash.clone(),
    })
}

/// Bounds of the realized gain, with the highest price that each asset had in the history so far.
fn bounds_of(outcome: &Outcome, window: &Window, seen: &Seen<'_>) -> Option<Bounds> {
    let mut assets = seen.history.facts.assets.values();
    if assets.any(|facts| facts.flows.is_none()) {
        return None;
    }
    // A bound beyond any money says nothing; the figures themselves are not touched by it.
    bounds::of(outcome, window, seen).ok()
}

/// What a history says of its assets.
struct Seen<'a> {
    history: &'a History,
    comparison: &'a Comparison,
    /// Whether the coverage bears out that everything was read.
    complete: bool,
}

impl Knowledge for Seen<'_> {
    fn highest(&self, asset: &AssetId, until: i64) -> Option<(UsdPrice, u8)> {
        let facts = self.history.facts.assets.get(asset)?;
        Some((facts.flows.as_ref()?.highest(until)?, facts.decimals?))
    }

    fn is_whole(&self, asset: &AssetId) -> bool {
        let is_checked = self.comparison.is_made || self.complete;
        self.history.coverage.truncated.is_none() && is_checked && !self.lacks_some(asset)
    }
}

impl Seen<'_> {
    /// Whether there is a sign that movements of the asset were not seen: then any of its lots may be another one.
    fn lacks_some(&self, asset: &AssetId) -> bool {
        // Where balances are known they tell what was held at a cut: nothing, when the movements since make up for
        // all of it.
        let Comparison { is_made, differing } = self.comparison;
        let differs =
            differing.contains(asset) || (!is_made && self.history.coverage.truncated.is_some());
        // More that left than there was came from a part of the history that was not seen.
        let facts = self.history.facts.assets.get(asset);
        differs || facts.is_some_and(|facts| facts.held.into_delta() != facts.raw)
    }
}

fn window_as_text<S: Serializer>(window: &Window, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Text {
        from: Option<String>,
        to: Option<String>,
    }
    Text { from: window.from.map(rfc3339), to: window.to.map(rfc3339) }.serialize(serializer)
}

fn pin_as_text<S: Serializer>(pin: &Pin, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Text {
        block: u64,
        block_time: String,
    }
    Text { block: pin.block, block_time: rfc3339(pin.block_time) }.serialize(serializer)
}
