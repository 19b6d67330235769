//! The fees of an event, found among the records.

use std::ops::Range;

use super::options::FeePolicy;
use super::outcome::Outcome;
use super::records::DisposalLeg;
use super::rows::{NONE, Records};
use crate::amount::{AmountError, RawAmount, Usd};

/// The fees of an event that are no expense of their own.
#[derive(Default)]
pub(crate) struct AttachedFees {
    /// Sum of the priced ones.
    pub(crate) known: Usd,
    /// Asset and quantity of the others.
    pub(crate) unpriced: Vec<(usize, RawAmount)>,
    /// Whether one more is unpriced, of which no quantity is recorded: it was paid in cash.
    pub(crate) unmeasured: bool,
}

impl Outcome {
    /// The attached fees of event number `event`. An event attaches all of its fees or none.
    pub(crate) fn attached_fees(&self, event: u32) -> Result<AttachedFees, AmountError> {
        let mut sum = AttachedFees::default();
        if self.options.fee_policy != FeePolicy::Attach {
            return Ok(sum);
        }
        let Records { fees, disposals, wide, .. } = &*self.records;
        let first = fees.partition_point(|row| row.event < event);
        let rows = fees[first..].iter().take_while(|row| row.event == event && !row.expense);
        for row in rows {
            if row.priced {
                sum.known = sum.known.checked_add(row.value)?;
            } else if row.asset != NONE && self.assets[row.asset as usize].is_cash {
                sum.unmeasured = true;
            } else if sum.unpriced.is_empty() {
                let first = disposals.partition_point(|row| row.event < event);
                let paid = disposals[first..].iter().take_while(|row| row.event == event);
                let paid = paid.filter(|row| row.leg == DisposalLeg::Fee && !row.priced);
                sum.unpriced.extend(paid.map(|row| (row.asset as usize, row.quantity(wide))));
            }
        }
        Ok(sum)
    }
}

impl Records {
    /// The numbers of the events in a range that paid fees, in their order.
    pub(crate) fn events_with_fees(&self, events: Range<u32>) -> impl Iterator<Item = u32> {
        let first = self.fees.partition_point(|row| row.event < events.start);
        let last = self.fees.partition_point(|row| row.event < events.end);
        let mut before = None;
        self.fees[first..last]
            .iter()
            .map(|row| row.event)
            .filter(move |event| before.replace(*event) != Some(*event))
    }
}
