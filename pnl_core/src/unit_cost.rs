//! What HIFO compares: cost per base unit, as an exact quotient.

use std::cmp::Ordering;

use alloy_primitives::U512;
use serde::{Deserialize, Serialize};

use crate::amount::{RawAmount, Usd};
use crate::division::divide;
use crate::ratio::Ratio;

/// The cost of a lot per base unit, never rounded.
///
/// Two quotients are compared by multiplying crosswise in 512 bits. Most lots differ in the leading
/// digits of the rounded-down quotient already, which are compared first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UnitCost {
    leading: i64,
    cost: Usd,
    quantity: RawAmount,
    /// The quotient, where the cost has a part below 1e-36 USD.
    exact: Option<Ratio>,
}

impl UnitCost {
    /// `cost` for `quantity` base units, not zero. `residue` is what the cost has below 1e-36 USD, in
    /// units of it.
    pub(crate) fn new(cost: Usd, quantity: RawAmount, residue: Option<&Ratio>) -> Self {
        let exact = residue.and_then(|residue| Ratio::of_units(cost).plus(residue).per(quantity));
        let leading = match &exact {
            Some(exact) => exact.leading(KEPT),
            None => leading(cost, quantity),
        };
        Self { leading, cost, quantity, exact }
    }

    /// Its leading bits: never out of order with it.
    pub(crate) fn leading(&self) -> i64 {
        self.leading
    }

    fn quotient(&self) -> Option<Ratio> {
        self.exact.clone().or_else(|| Ratio::of_units(self.cost).per(self.quantity))
    }

    /// The words of cost times quantity, the lowest first, where the cost is not negative and has 192 bits and
    /// the quantity 64, as nearly always. Trades at one price make many lots that only this tells apart.
    fn times(&self, quantity: RawAmount) -> Option<[u64; 4]> {
        let ([a, b, c, 0], by) = (self.cost.limbs(), quantity.word()?) else { return None };
        let (low, carry) = a.carrying_mul(by, 0);
        let (middle, carry) = b.carrying_mul(by, carry);
        let (high, top) = c.carrying_mul(by, carry);
        Some([low, middle, high, top])
    }

    fn compare_exactly(&self, other: &Self) -> Ordering {
        if self.exact.is_some() || other.exact.is_some() {
            return self.quotient().cmp(&other.quotient());
        }
        if let (Some(left), Some(right)) = (self.times(other.quantity), other.times(self.quantity))
        {
            return left.iter().rev().cmp(right.iter().rev());
        }
        let crosswise = |a: &Self, b: &Self| -> U512 {
            a.cost.units().unsigned_abs().widening_mul(b.quantity.to_u256())
        };
        let by_size = || crosswise(self, other).cmp(&crosswise(other, self));
        match (self.cost.is_negative(), other.cost.is_negative()) {
            (false, false) => by_size(),
            (true, true) => by_size().reverse(),
            (negative, _) => other.cost.is_negative().cmp(&negative),
        }
    }
}

/// Bits of a quotient that are compared first.
const KEPT: usize = 48;

/// The length and the leading bits of `cost / quantity`, rounded towards zero: never out of order
/// with the quotient itself.
fn leading(cost: Usd, quantity: RawAmount) -> i64 {
    let quotient = divide(cost.units().unsigned_abs(), quantity.to_u256());
    let length = quotient.bit_len();
    let aligned = if length > KEPT { quotient >> (length - KEPT) } else { quotient };
    let size = ((length as i64) << KEPT) + aligned.as_limbs()[0] as i64;
    if cost.is_negative() { -size } else { size }
}

impl Ord for UnitCost {
    fn cmp(&self, other: &Self) -> Ordering {
        self.leading.cmp(&other.leading).then_with(|| self.compare_exactly(other))
    }
}

impl PartialOrd for UnitCost {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for UnitCost {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for UnitCost {}

#[cfg(test)]
mod tests {
    use alloy_primitives::I256;
    use proptest::prelude::*;

    use super::*;

    fn unit_cost(cost: i128, quantity: u128, residue: Option<(u32, u32)>) -> UnitCost {
        let residue = residue.and_then(|(part, of)| Ratio::new(part, of));
        let cost = Usd::from_units(I256::try_from(cost).unwrap());
        UnitCost::new(cost, RawAmount::from(quantity), residue.as_ref())
    }

    #[test]
    fn equal_quotients_of_different_totals_are_equal() {
        let pairs = [((1, 3, None), (2, 6, None)), ((-7, 7, None), (-1, 1, None))];
        for ((a, b, c), (d, e, f)) in pairs {
            assert_eq!(unit_cost(a, b, c), unit_cost(d, e, f));
        }
        // 1 + 2 * 1/2 units for 2 is one unit for one.
        assert_eq!(unit_cost(1, 2, Some((2, 2))), unit_cost(1, 1, None));
        // What no dollar figure shows decides: 5.2 units for 3 are dearer than 5.1.
        assert!(unit_cost(5, 3, Some((2, 10))) > unit_cost(5, 3, Some((1, 10))));
        assert!(unit_cost(5, 3, Some((1, 10))) > unit_cost(5, 3, None));
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_exact_quotients(
            a in prop_oneof![any::<i128>(), -9i128..9], b in prop_oneof![1u128.., 1u128..9],
            c in prop_oneof![any::<i128>(), -9i128..9], d in prop_oneof![1u128.., 1u128..9],
            residues in proptest::option::of((0u32..30, 0u32..30)),
        ) {
            let (e, f) = residues.unzip();
            let exact = |cost: i128, quantity: u128, residue: Option<u32>| {
                Ratio::new(num_bigint::BigInt::from(cost) * 10 + residue.unwrap_or(0),
                    num_bigint::BigInt::from(quantity) * 10)
            };
            let got = unit_cost(a, b, e.map(|e| (e, 10))).cmp(&unit_cost(c, d, f.map(|f| (f, 10))));
            prop_assert_eq!(got, exact(a, b, e).cmp(&exact(c, d, f)));
        }
    }
}
