//! Money in three words: what nearly every amount fits into.
//!
//! Lots, pieces and records hold money of 192 bits, which is up to 3e21 USD, and quantities of 64 bits.
//! Whatever holds such numbers can hold full ones instead, and takes the general way with them; the
//! results are the same, digit by digit.

use crate::amount::Usd;
use crate::division::share_of_words;

/// A signed amount of money of 192 bits in units of 1e-36 USD: two's complement, the lowest word first.
///
/// Every value of it is an amount ([`Self::usd`]); [`Self::of`] says which amounts fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NarrowUsd([u64; 3]);

impl NarrowUsd {
    /// Nothing.
    pub(crate) const ZERO: Self = Self([0; 3]);

    /// The amount where it fits: when the highest of its four words is nothing but its sign.
    #[inline(always)]
    pub(crate) fn of(amount: &Usd) -> Option<Self> {
        let [a, b, c, top] = amount.limbs();
        (top == sign(c)).then_some(Self([a, b, c]))
    }

    /// The amount in full.
    #[inline(always)]
    pub(crate) fn usd(self) -> Usd {
        let [a, b, c] = self.0;
        Usd::from_limbs([a, b, c, sign(c)])
    }

    /// Whether this is nothing.
    #[inline(always)]
    pub(crate) fn is_zero(self) -> bool {
        let [a, b, c] = self.0;
        a | b | c == 0
    }

    /// The amount of so many units.
    pub(crate) const fn from_word(units: u64) -> Self {
        Self([units, 0, 0])
    }

    /// Its units modulo 2^64.
    pub(crate) const fn lowest_word(self) -> u64 {
        self.0[0]
    }

    /// Difference to a part: at most this amount, and of its sign.
    #[inline(always)]
    pub(crate) fn less_part(self, part: Self) -> Self {
        self.wrapping_sub(part)
    }

    #[inline(always)]
    fn wrapping_sub(self, other: Self) -> Self {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        let (a, borrow) = a.borrowing_sub(x, false);
        let (b, borrow) = b.borrowing_sub(y, borrow);
        let (c, _) = c.borrowing_sub(z, borrow);
        Self([a, b, c])
    }

    /// The share `part / whole`, rounded towards zero: what [`Usd::share`] gives. `part` is at most
    /// `whole`, which is not zero, so that the share fits.
    #[inline(always)]
    pub(crate) fn share(self, part: u64, whole: u64) -> Self {
        if part == whole || self.is_zero() {
            return self;
        }
        let negative = (self.0[2] as i64) < 0;
        let size = if negative { Self::ZERO.wrapping_sub(self) } else { self };
        let share = Self(share_of_words(size.0, part, whole));
        if negative { Self::ZERO.wrapping_sub(share) } else { share }
    }
}

/// The word above a highest one.
#[inline(always)]
fn sign(highest: u64) -> u64 {
    ((highest as i64) >> 63) as u64
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{I256, U256};
    use proptest::prelude::*;

    use super::*;
    use crate::amount::RawAmount;

    /// The smallest and the largest amount that fits, in units.
    fn limits() -> (I256, I256) {
        let half = I256::from_raw(U256::from(1u8) << 191);
        (-half, half - I256::ONE)
    }

    #[test]
    fn amounts_of_192_bits_fit_and_no_others() {
        let (least, most) = limits();
        for fitting in [least, I256::MINUS_ONE, I256::ZERO, I256::ONE, most].map(Usd::from_units) {
            assert_eq!(NarrowUsd::of(&fitting).map(NarrowUsd::usd), Some(fitting));
        }
        for wide in [least - I256::ONE, most + I256::ONE, I256::MIN, I256::MAX] {
            assert_eq!(NarrowUsd::of(&Usd::from_units(wide)), None);
        }
    }

    #[test]
    fn the_least_amount_is_shared_like_all_others() {
        // Its size has one bit more than a positive amount could have.
        let (least, _) = limits();
        let narrow = NarrowUsd::of(&Usd::from_units(least)).unwrap();
        assert_eq!(narrow.share(1, 2).usd().units(), least / I256::try_from(2).unwrap());
        assert_eq!(narrow.share(u64::MAX, u64::MAX), narrow);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn shares_and_rests_are_those_of_full_amounts(
            words in proptest::array::uniform3(any::<u64>()), cut in 0u32..192,
            quantities in (any::<u64>(), any::<u64>()), smaller in 0u32..64,
        ) {
            let amount = NarrowUsd(words).usd().units().asr(cut as usize);
            let amount = Usd::from_units(amount);
            let narrow = NarrowUsd::of(&amount).unwrap();
            let whole = (quantities.0 >> smaller).max(1);
            let part = quantities.1 % whole + u64::from(quantities.1 % 3 == 0);
            let share = amount.share(RawAmount::from(part), RawAmount::from(whole)).unwrap();
            prop_assert_eq!(narrow.share(part, whole).usd(), share);
            let rest = narrow.less_part(narrow.share(part, whole));
            prop_assert_eq!(rest.usd(), amount.checked_sub(share).unwrap());
            prop_assert_eq!(narrow.is_zero(), amount.is_zero());
        }
    }
}
