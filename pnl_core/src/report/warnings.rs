//! What a reader of a result must know to trust it rightly.

use serde::Serialize;

use super::coverage::Comparison;
use super::tokens::TokenRow;
use super::{ReportError, ReportInput};
use crate::asset::AssetId;
use crate::engine::{Disposal, Window};
use crate::group::MOVE_SHORTFALL;
use crate::ledger::AssetFacts;

/// A limit of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable code.
    pub code: String,
    /// In words.
    pub detail: String,
    /// How often it applies; the detail says to what.
    pub count: u64,
}

/// The warnings, in a fixed order: what is missing from the history, then what has no price or
/// basis, then oddities of single assets and lines.
pub(super) fn of(
    input: &ReportInput<'_>,
    tokens: &[TokenRow],
    comparison: &Comparison,
    unpriced: &[AssetId],
) -> Result<Vec<Warning>, ReportError> {
    let mut list = List(Vec::new());
    coverage(input, comparison, &mut list);
    prices_and_basis(input, tokens, unpriced, &mut list)?;
    for (asset, facts) in &input.history.facts.assets {
        basis_reset(asset, facts, &mut list);
    }
    lines(input, &mut list);
    Ok(list.0)
}

struct List(Vec<Warning>);

impl List {
    /// Adds a warning unless it applies to nothing.
    fn add(&mut self, code: &str, count: u64, detail: impl Into<String>) {
        if count > 0 {
            self.0.push(Warning { code: code.to_owned(), detail: detail.into(), count });
        }
    }
}

fn coverage(input: &ReportInput<'_>, comparison: &Comparison, list: &mut List) {
    let coverage = &input.history.coverage;
    if let Some(cut) = &coverage.truncated {
        let from = match cut.oldest_block {
            Some(block) => format!("the history begins at block {block}"),
            None => "nothing of the history was read".to_owned(),
        };
        list.add("truncated", 1, format!("cut by {}: {from}", cut.reason));
    }
    let missing = coverage.missing.len() as u64;
    list.add("incomplete_history", missing, coverage.missing.join("; "));
    if input.history.is_past {
        let detail =
            "the history ends before the pin, as asked for: balances of that moment are not known";
        list.add("past_balances", 1, detail);
    } else if input.history.balances.is_none() {
        let detail = "the balance at the pin is not known: the wallet moved since, no endpoint keeps it, or one of a group has no history";
        list.add("newer_activity", 1, detail);
    }
    let detail = "assets whose balance is not the sum of their movements";
    list.add("unexplained_balance", comparison.differing.len() as u64, detail);
    let facts = &input.history.facts;
    let detail = "transactions with a movement that could not be attributed";
    list.add("unexplained_movements", facts.unexplained_transactions, detail);
    let detail = "transactions of which not all native movements are known";
    list.add("incomplete_native", facts.incomplete_native, detail);
    let detail = "transactions of which not the whole fee is known";
    list.add("incomplete_fee", facts.incomplete_fee, detail);
}

fn prices_and_basis(
    input: &ReportInput<'_>,
    tokens: &[TokenRow],
    unpriced: &[AssetId],
    list: &mut List,
) -> Result<(), ReportError> {
    let detail = "holdings without a price at the pin, not part of the unrealized gain";
    list.add("unpriced_holdings", unpriced.len() as u64, detail);
    let unknown = tokens.iter().filter(|row| !row.unknown_raw.is_zero()).count();
    let detail = "assets held with unknown basis, not part of the unrealized gain";
    list.add("unknown_basis", unknown as u64, detail);

    let window = input.window;
    let count = |applies: fn(&Disposal<'_>) -> bool| {
        let disposals = input.outcome.records.disposals_where(move |ts, _| window.contains(ts));
        disposals.filter(applies).count() as u64
    };
    let detail = "disposals of more than the known history holds; that part has no gain";
    list.add("unmatched_sales", count(|disposal| !disposal.unmatched.is_zero()), detail);
    let detail = "disposals of lots with unknown basis; that part has no gain";
    list.add("unknown_basis_sales", count(|disposal| !disposal.unknown.is_zero()), detail);
    let detail = "disposals without a price; their gain is unknown";
    list.add("unpriced_sales", count(|disposal| disposal.proceeds.is_none()), detail);
    let detail = "assets of which more was transferred away than the known history holds";
    list.add("unmatched_transfers", unmatched_transfers(input)?, detail);
    Ok(())
}

/// Assets of which transfers took more than there was. Lots hold what came in less what left from
/// them; what they hold beyond the sum of all movements left unmatched, by a disposal or a transfer.
fn unmatched_transfers(input: &ReportInput<'_>) -> Result<u64, ReportError> {
    let disposed = input.unmatched(&Window::ALL)?;
    let mut count = 0;
    for (asset, facts) in &input.history.facts.assets {
        let disposed = disposed.get(asset).copied().unwrap_or_default();
        let beyond = facts.held.into_delta().checked_sub(facts.raw)?;
        count += u64::from(beyond > disposed.into_delta());
    }
    Ok(count)
}

fn basis_reset(asset: &AssetId, facts: &AssetFacts, list: &mut List) {
    let detail = format!(
        "{} base units of {asset} came back from where they were kept at their market value",
        facts.basis_reset
    );
    list.add("basis_reset", facts.basis_reset_events, detail);
}

fn lines(input: &ReportInput<'_>, list: &mut List) {
    let facts = &input.history.facts;
    let detail = "transactions without a block time, booked at the time of the one before";
    list.add("missing_block_time", facts.missing_block_time, detail);
    let detail = "movements whose decimals differ from those of the asset's first movement";
    list.add("differing_decimals", facts.differing_decimals, detail);
    let detail = "movements whose market value is beyond any money, taken as unknown";
    list.add("absurd_values", facts.absurd_values, detail);
    for (code, count) in &facts.notes {
        let detail = match code.as_str() {
            "order_uncertain" => {
                "transactions whose place among others of their block is not known"
            }
            MOVE_SHORTFALL => {
                "transactions of which less arrived at wallets of the group than others of it had sent; \
                 that part is booked as a fee"
            }
            _ => "transactions with this note of the parser",
        };
        list.add(code, *count, detail);
    }
}
