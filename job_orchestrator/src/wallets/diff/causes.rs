//! Of what the difference of two results is made: prices, other events, prices at the pin and new
//! transactions, exactly.
//!
//! The history of the earlier result is computed again in steps, each with one thing more of the later
//! one. What a step changes is due to that thing, and the steps sum to the difference of the two results.

use pnl_core::engine::{MethodSums, Totals};
use pnl_core::{AmountError, Usd};
use serde::Serialize;

use super::Side;

/// A part of the difference of two results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Of the total: the sum of the four below.
    pub total_pnl_usd: Usd,
    /// Of the realized gain.
    pub realized_gain_usd: Usd,
    /// Of the income.
    pub income_usd: Usd,
    /// Of the fee expense, as it changes the total: a higher one is negative.
    pub fee_expense_usd: Usd,
    /// Of the unrealized gain.
    pub unrealized_gain_usd: Usd,
}

/// The parts, which sum to the difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Causes {
    /// Other prices of events that both ledgers have.
    pub event_prices: Part,
    /// Events up to the earlier pin that only one ledger has, or that move something else.
    pub events: Part,
    /// What was held at the earlier pin, valued at the prices of the later one.
    pub pin_prices: Part,
    /// What happened behind the earlier pin.
    pub new_transactions: Part,
}

/// The same history up to the pin of the earlier result, by steps.
#[derive(Debug)]
pub(super) struct Steps {
    /// Events and pin prices of the earlier ledger, prices of events of the later one.
    pub repriced: Part,
    /// Events and their prices of the later ledger, pin prices of the earlier one.
    pub retold: Part,
    /// All of the later one.
    pub revalued: Part,
}

impl Causes {
    /// From the earlier result over the steps to the later one.
    pub(super) fn of(earlier: &Side, steps: &Steps, later: &Side) -> Result<Self, AmountError> {
        Ok(Self {
            event_prices: steps.repriced.less(&Part::of_side(earlier)?)?,
            events: steps.retold.less(&steps.repriced)?,
            pin_prices: steps.revalued.less(&steps.retold)?,
            new_transactions: Part::of_side(later)?.less(&steps.revalued)?,
        })
    }

    /// The same from the later result to the earlier one.
    pub(super) fn turned(&self) -> Result<Self, AmountError> {
        let nothing = Part::default();
        Ok(Self {
            event_prices: nothing.less(&self.event_prices)?,
            events: nothing.less(&self.events)?,
            pin_prices: nothing.less(&self.pin_prices)?,
            new_transactions: nothing.less(&self.new_transactions)?,
        })
    }

    /// What the realized gain is from, but for new transactions.
    pub(super) fn of_realized(&self) -> Vec<&'static str> {
        let parts = [("event_prices", &self.event_prices), ("events", &self.events)];
        let parts = parts.into_iter().filter(|(_, part)| !part.realized_gain_usd.is_zero());
        parts.map(|(name, _)| name).collect()
    }
}

impl Part {
    /// The figures of a history by one method, valued at its end.
    pub(super) fn of_sums(sums: &[MethodSums]) -> Result<Self, AmountError> {
        let Some(MethodSums { totals, .. }) = sums.first() else { return Ok(Self::default()) };
        let Totals { realized_gain, income, fee_expense, unrealized_gain, .. } = totals;
        let unrealized = unrealized_gain.unwrap_or_default();
        Self::of(*realized_gain, *income, *fee_expense, unrealized)
    }

    fn of_side(side: &Side) -> Result<Self, AmountError> {
        let Side { realized_gain_usd, income_usd, fee_expense_usd, unrealized_gain_usd, .. } = side;
        Self::of(*realized_gain_usd, *income_usd, *fee_expense_usd, *unrealized_gain_usd)
    }

    fn of(
        realized_gain_usd: Usd,
        income_usd: Usd,
        fee_expense: Usd,
        unrealized_gain_usd: Usd,
    ) -> Result<Self, AmountError> {
        let fee_expense_usd = fee_expense.checked_neg()?;
        let total_pnl_usd = realized_gain_usd
            .checked_add(income_usd)?
            .checked_add(fee_expense_usd)?
            .checked_add(unrealized_gain_usd)?;
        Ok(Self {
            total_pnl_usd,
            realized_gain_usd,
            income_usd,
            fee_expense_usd,
            unrealized_gain_usd,
        })
    }

    fn less(&self, other: &Self) -> Result<Self, AmountError> {
        let less = |get: fn(&Self) -> Usd| get(self).checked_sub(get(other));
        Ok(Self {
            total_pnl_usd: less(|part| part.total_pnl_usd)?,
            realized_gain_usd: less(|part| part.realized_gain_usd)?,
            income_usd: less(|part| part.income_usd)?,
            fee_expense_usd: less(|part| part.fee_expense_usd)?,
            unrealized_gain_usd: less(|part| part.unrealized_gain_usd)?,
        })
    }
}
