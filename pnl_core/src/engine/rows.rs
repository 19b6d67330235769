//! The records as they are kept: rows without names, about 170 bytes for an event.
//!
//! A row holds narrow numbers (module `narrow`). The numbers of a row where one is larger stand in [`Records::wide`], in full.

use std::sync::Arc;

use alloy_primitives::U256;

use super::error::Fault;
use super::origins::Origins;
use super::records::DisposalLeg;
use crate::amount::{RawAmount, Usd};
use crate::asset::AssetId;
use crate::held::NarrowPiece;
use crate::narrow::NarrowUsd;

/// In place of the index of an asset: none.
pub(super) const NONE: u32 = u32::MAX;

/// Numbers that do not fit their row. In such a row the quantity, or the place of the value, is where they
/// begin.
pub(super) type Wide = Vec<U256>;

/// A disposal; its matches begin at `matches` and end where those of the next one begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DisposalRow {
    quantity: u64,
    proceeds: NarrowUsd,
    pub(super) event: u32,
    pub(super) asset: u32,
    pub(super) wallet: u32,
    pub(super) matches: u32,
    pub(super) leg: DisposalLeg,
    pub(super) priced: bool,
    wide: bool,
}

/// A piece of a lot that a disposal consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MatchRow {
    quantity: u64,
    basis: NarrowUsd,
    proceeds: NarrowUsd,
    /// The event that made the lot.
    pub(super) lot: u32,
    pub(super) known: bool,
    wide: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IncomeRow {
    pub(super) value: Usd,
    pub(super) event: u32,
    pub(super) asset: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FeeRow {
    /// Zero when not priced.
    pub(super) value: Usd,
    pub(super) event: u32,
    /// May be [`NONE`].
    pub(super) asset: u32,
    pub(super) priced: bool,
    pub(super) expense: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActivityRow {
    value: NarrowUsd,
    pub(super) event: u32,
    pub(super) first: u32,
    /// May be [`NONE`].
    pub(super) second: u32,
    pub(super) priced: bool,
    pub(super) bought: bool,
    wide: bool,
}

/// What a disposal is besides its numbers.
pub(super) struct DisposalFacts {
    pub(super) event: u32,
    pub(super) asset: u32,
    pub(super) wallet: u32,
    /// Where its matches begin.
    pub(super) matches: u32,
    pub(super) leg: DisposalLeg,
}

/// What a trade is besides its value.
pub(super) struct ActivityFacts {
    pub(super) event: u32,
    pub(super) first: u32,
    /// May be [`NONE`].
    pub(super) second: u32,
    pub(super) bought: bool,
}

/// Everything that happened in a history, or since records were last taken from the engine
/// ([`super::Engine::take_records`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    pub(super) origins: Origins,
    /// Names by index; set when the records are given out.
    pub(super) assets: Arc<[AssetId]>,
    pub(super) wallets: Arc<[Arc<str>]>,
    pub(super) disposals: Vec<DisposalRow>,
    pub(super) matches: Vec<MatchRow>,
    pub(super) incomes: Vec<IncomeRow>,
    pub(super) fees: Vec<FeeRow>,
    pub(super) activity: Vec<ActivityRow>,
    pub(super) wide: Wide,
    /// Whether the proceeds of what no lot covers are a gain (`oversold = zero_basis`).
    pub(super) unmatched_gains: bool,
    /// Whether nothing is recorded: only sums are asked for.
    pub(super) sums_only: bool,
}

impl Records {
    /// Takes over the memory of other records.
    pub(super) fn reuse(&mut self, spent: Self) {
        self.origins.reuse(spent.origins);
        take_over(&mut self.disposals, spent.disposals);
        take_over(&mut self.matches, spent.matches);
        take_over(&mut self.incomes, spent.incomes);
        take_over(&mut self.fees, spent.fees);
        take_over(&mut self.activity, spent.activity);
        take_over(&mut self.wide, spent.wide);
    }

    /// Gives events other numbers, which keep their order.
    pub(super) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        let disposals = self.disposals.iter_mut().map(|row| &mut row.event);
        let lots = self.matches.iter_mut().map(|row| &mut row.lot);
        let incomes = self.incomes.iter_mut().map(|row| &mut row.event);
        let fees = self.fees.iter_mut().map(|row| &mut row.event);
        let activity = self.activity.iter_mut().map(|row| &mut row.event);
        let all = disposals.chain(lots).chain(incomes).chain(fees).chain(activity);
        all.for_each(|event| *event = number(*event));
    }

    pub(super) fn add_income(&mut self, row: IncomeRow) {
        if !self.sums_only {
            self.incomes.push(row);
        }
    }

    pub(super) fn add_fee(&mut self, row: FeeRow) {
        if !self.sums_only {
            self.fees.push(row);
        }
    }

    #[inline(always)]
    pub(super) fn add_disposal(
        &mut self,
        facts: DisposalFacts,
        quantity: &RawAmount,
        proceeds: Option<&Usd>,
    ) {
        if self.sums_only {
            return;
        }
        let DisposalFacts { event, asset, wallet, matches, leg } = facts;
        let priced = proceeds.is_some();
        let money = proceeds.unwrap_or(&Usd::ZERO);
        let (quantity, proceeds, wide) = match (quantity.word(), NarrowUsd::of(money)) {
            (Some(quantity), Some(proceeds)) => (quantity, proceeds, false),
            _ => {
                let place = put(&mut self.wide, [quantity.to_u256(), money.units().into_raw()]);
                (place, NarrowUsd::ZERO, true)
            }
        };
        self.disposals.push(DisposalRow {
            quantity,
            proceeds,
            event,
            asset,
            wallet,
            matches,
            leg,
            priced,
            wide,
        });
    }

    /// A piece of a lot with its share of the proceeds, where all numbers are narrow.
    #[inline(always)]
    pub(super) fn add_narrow_match(&mut self, piece: NarrowPiece, proceeds: NarrowUsd) {
        if self.sums_only {
            return;
        }
        let NarrowPiece { order: lot, quantity, known, basis } = piece;
        self.matches.push(MatchRow { quantity, basis, proceeds, lot, known, wide: false });
    }

    /// A piece of the lot that event number `lot` made.
    pub(super) fn add_match(
        &mut self,
        lot: u32,
        quantity: &RawAmount,
        basis: Option<&Usd>,
        proceeds: &Usd,
    ) {
        if self.sums_only {
            return;
        }
        let cost = basis.unwrap_or(&Usd::ZERO);
        let known = basis.is_some();
        let (quantity, basis, proceeds, wide) =
            match (quantity.word(), NarrowUsd::of(cost), NarrowUsd::of(proceeds)) {
                (Some(quantity), Some(basis), Some(proceeds)) => (quantity, basis, proceeds, false),
                _ => {
                    let [cost, proceeds] = [cost, proceeds].map(|money| money.units().into_raw());
                    let place = put(&mut self.wide, [quantity.to_u256(), cost, proceeds]);
                    (place, NarrowUsd::ZERO, NarrowUsd::ZERO, true)
                }
            };
        self.matches.push(MatchRow { quantity, basis, proceeds, lot, known, wide });
    }

    #[inline(always)]
    pub(super) fn add_activity(&mut self, facts: ActivityFacts, value: Option<&Usd>) {
        if self.sums_only {
            return;
        }
        let ActivityFacts { event, first, second, bought } = facts;
        let money = value.unwrap_or(&Usd::ZERO);
        let priced = value.is_some();
        let (value, wide) = match NarrowUsd::of(money) {
            Some(value) => (value, false),
            None => {
                let place = put(&mut self.wide, [money.units().into_raw()]);
                (NarrowUsd::from_word(place), true)
            }
        };
        self.activity.push(ActivityRow { value, event, first, second, priced, bought, wide });
    }
}

impl DisposalRow {
    pub(super) fn quantity(&self, wide: &Wide) -> RawAmount {
        quantity(self.quantity, self.wide, wide)
    }

    /// Zero when not priced.
    pub(super) fn proceeds(&self, wide: &Wide) -> Usd {
        money(self.proceeds, self.wide.then(|| self.quantity + 1), wide)
    }
}

impl MatchRow {
    pub(super) fn quantity(&self, wide: &Wide) -> RawAmount {
        quantity(self.quantity, self.wide, wide)
    }

    /// Zero when not known.
    pub(super) fn basis(&self, wide: &Wide) -> Usd {
        money(self.basis, self.wide.then(|| self.quantity + 1), wide)
    }

    /// Zero when the disposal is not priced.
    pub(super) fn proceeds(&self, wide: &Wide) -> Usd {
        money(self.proceeds, self.wide.then(|| self.quantity + 2), wide)
    }
}

impl ActivityRow {
    /// Zero when not priced.
    pub(super) fn value(&self, wide: &Wide) -> Usd {
        money(self.value, self.wide.then(|| self.value.lowest_word()), wide)
    }
}

/// Keeps numbers in full and says where.
#[cold]
pub(super) fn put<const N: usize>(wide: &mut Wide, numbers: [U256; N]) -> u64 {
    let place = wide.len() as u64;
    wide.extend(numbers);
    place
}

pub(super) fn quantity(word: u64, is_wide: bool, wide: &Wide) -> RawAmount {
    if is_wide { wide[word as usize].into() } else { word.into() }
}

/// `place`: where a wide one stands.
pub(super) fn money(money: NarrowUsd, place: Option<u64>, wide: &Wide) -> Usd {
    match place {
        Some(place) => Usd::from_limbs(*wide[place as usize].as_limbs()),
        None => money.usd(),
    }
}

/// Takes over memory for the rows.
pub(super) fn take_over<T>(rows: &mut Vec<T>, mut spent: Vec<T>) {
    spent.clear();
    if spent.capacity() > rows.capacity() {
        spent.append(rows);
        *rows = spent;
    }
}

/// A place in a table of rows.
#[inline(always)]
pub(super) fn index(place: usize) -> Result<u32, Fault> {
    match u32::try_from(place) {
        Ok(index) if index != NONE => Ok(index),
        _ => Err(Fault::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::I256;
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = U256> {
        let words = proptest::array::uniform4(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)]);
        (words, 0usize..256).prop_map(|(words, cut)| U256::from_limbs(words) >> cut)
    }

    fn usd() -> impl Strategy<Value = Usd> {
        (number(), any::<bool>()).prop_map(|(number, flip)| {
            Usd::from_units(I256::from_raw(if flip { !number } else { number }))
        })
    }

    proptest! {
        #[test]
        fn rows_give_back_the_numbers_they_were_made_of(
            rows in proptest::collection::vec(
                (number(), proptest::option::of(usd()), proptest::option::of(usd())), 1..9,
            ),
        ) {
            let mut records = Records::default();
            for (quantity, basis, value) in &rows {
                let quantity = RawAmount::from(*quantity);
                let facts = DisposalFacts { event: 1, asset: 2, wallet: 3, matches: 4, leg: DisposalLeg::Out };
                records.add_disposal(facts, &quantity, value.as_ref());
                records.add_match(5, &quantity, basis.as_ref(), &value.unwrap_or_default());
                let facts = ActivityFacts { event: 1, first: 2, second: NONE, bought: true };
                records.add_activity(facts, value.as_ref());
            }
            let wide = &records.wide;
            for (number, (quantity, basis, value)) in rows.into_iter().enumerate() {
                let (quantity, money) = (RawAmount::from(quantity), value.unwrap_or_default());
                let disposal = &records.disposals[number];
                prop_assert_eq!((disposal.quantity(wide), disposal.proceeds(wide)), (quantity, money));
                prop_assert_eq!(disposal.priced, value.is_some());
                let row = &records.matches[number];
                prop_assert_eq!((row.quantity(wide), row.proceeds(wide)), (quantity, money));
                prop_assert_eq!((row.known, row.basis(wide)), (basis.is_some(), basis.unwrap_or_default()));
                prop_assert_eq!(records.activity[number].value(wide), money);
            }
        }
    }
}
