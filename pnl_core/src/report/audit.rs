//! The conservation audit: where every dollar of cost and every base unit went.

use serde::Serialize;

use super::ReportError;
use super::coverage::{Comparison, History, UnexplainedRaw};
use crate::amount::{RawAmount, RawDelta, Usd};
use crate::asset::AssetId;
use crate::engine::Conservation;
use crate::ledger::{DoubtfulTransaction, Doubts};

/// The audit of a history up to its pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Whether every residual that can be said is zero, those of other pins and of single wallets included.
    pub ok: bool,
    /// Cost of everything that came in at a known basis.
    pub cost_in_usd: Usd,
    /// Of it: disposed of for known proceeds.
    pub basis_disposed_usd: Usd,
    /// Of it: disposed of for unknown proceeds.
    pub basis_unpriced_usd: Usd,
    /// Of it: left by transfers out.
    pub basis_transferred_usd: Usd,
    /// Of it: left as fees that count for nothing (`fee_policy = ignore`).
    pub basis_fee_ignored_usd: Usd,
    /// Of it: in open lots.
    pub basis_remaining_usd: Usd,
    /// Cost less all the above: zero.
    pub residual_usd: Usd,
    /// A row per asset that ever moved; `None` in a ledger of a version that did not note it.
    pub assets: Option<Vec<AssetAudit>>,
    /// A row per asset whose balance is not the sum of its movements; absent where balances are not known, and in
    /// a ledger of a version that did not note the transactions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residuals: Option<Vec<Residual>>,
}

/// What is known of why the balance of an asset is not the sum of its movements, base units:
/// `residual = attributed + rest`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Residual {
    /// The asset.
    pub asset: AssetId,
    /// Balance less movements.
    pub residual_raw: RawDelta,
    /// The first transactions of which something is not in the accounts, in chain order.
    pub transactions: Vec<DoubtfulTransaction>,
    /// How many more there are.
    pub more_transactions: u64,
    /// What all of them moved that is not in the accounts, as far as it is known; `None` when it is more than any
    /// balance can hold.
    pub attributed_raw: Option<RawDelta>,
    /// What no known transaction explains; `None` likewise.
    pub rest_raw: Option<RawDelta>,
}

/// One asset, base units: `in - out - fee - rent + residual = balance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetAudit {
    /// The asset.
    pub asset: AssetId,
    /// Came in.
    pub in_raw: RawAmount,
    /// Went out.
    pub out_raw: RawAmount,
    /// Paid as fees and tips.
    pub fee_raw: RawAmount,
    /// Deposited as rent less refunds.
    pub rent_raw: RawDelta,
    /// What the chain says is held at the pin; `None` when it cannot be asked.
    pub balance_raw: Option<RawAmount>,
    /// Balance less movements; `None` without a balance.
    pub residual_raw: Option<RawDelta>,
}

/// The audit.
pub(super) fn of(
    history: &History,
    books: &Conservation,
    comparison: &Comparison,
) -> Result<Audit, ReportError> {
    let balances = history.balances.as_ref();
    let rows = history.facts.assets.iter().map(|(asset, facts)| {
        let Some(flows) = &facts.flows else { return Ok(None) };
        // What the chain does not name is not held.
        let balance = balances.map(|held| held.get(asset).copied().unwrap_or_default());
        let residual =
            balance.map(|balance| balance.into_delta().checked_sub(facts.raw)).transpose()?;
        Ok(Some(AssetAudit {
            asset: asset.clone(),
            in_raw: flows.came_in,
            out_raw: flows.went_out,
            fee_raw: flows.fees,
            rent_raw: flows.rent,
            balance_raw: balance,
            residual_raw: residual,
        }))
    });
    let assets = rows.collect::<Result<Option<Vec<_>>, ReportError>>()?;
    Ok(Audit {
        ok: books.ok && comparison.differing.is_empty(),
        cost_in_usd: books.cost_in,
        basis_disposed_usd: books.basis_disposed,
        basis_unpriced_usd: books.basis_unpriced,
        basis_transferred_usd: books.basis_transferred,
        basis_fee_ignored_usd: books.basis_fee_ignored,
        basis_remaining_usd: books.basis_remaining,
        residual_usd: books.residual,
        assets,
        residuals: residuals(history)?,
    })
}

fn residuals(history: &History) -> Result<Option<Vec<Residual>>, ReportError> {
    let (Some(doubts), Some(differing)) = (&history.facts.doubts, history.unexplained()?) else {
        return Ok(None);
    };
    let rows = differing.into_iter().map(|UnexplainedRaw { asset, raw }| {
        let Doubts { transactions, more, raw: attributed } =
            doubts.get(&asset).cloned().unwrap_or_default();
        Residual {
            asset,
            residual_raw: raw,
            transactions,
            more_transactions: more,
            attributed_raw: attributed,
            rest_raw: attributed.and_then(|attributed| raw.checked_sub(attributed).ok()),
        }
    });
    Ok(Some(rows.collect()))
}
