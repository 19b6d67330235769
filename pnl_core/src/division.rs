//! Products and quotients of 256-bit integers.
//!
//! Quantities nearly always have 64 bits. Then the quotient is formed word by word after Niels Möller
//! and Torbjörn Granlund, "Improved division by invariant integers", IEEE Transactions on Computers
//! 60 (2011), algorithm 4: a reciprocal is computed once per divisor, and each word of the quotient
//! takes two multiplications instead of a slow division.

use alloy_primitives::{U256, U512};

/// A number of 256 bits, the lowest word first.
type Words = [u64; 4];

/// `a * b / c` through 512 bits, rounded down. `None` when `c` is zero or the quotient does not fit.
#[inline(always)]
pub(crate) fn mul_div(a: Words, b: Words, c: Words) -> Option<Words> {
    if let ([b, 0, 0, 0], [c, 0, 0, 0]) = (b, c)
        && c != 0
    {
        return mul_div_by_word(a, b, c);
    }
    mul_div_wide(a, b, c)
}

/// The same of numbers of any size.
#[inline(never)]
fn mul_div_wide(a: Words, b: Words, c: Words) -> Option<Words> {
    let [a, b, c] = [a, b, c].map(U256::from_limbs);
    if c.is_zero() {
        return None;
    }
    let product: U512 = a.widening_mul(b);
    let quotient = product / U512::from(c);
    U256::checked_from_limbs_slice(quotient.as_limbs()).map(|quotient| *quotient.as_limbs())
}

/// [`mul_div`] where quantities have 64 bits, as nearly all have: word by word, without a loop, so that
/// the words stay in registers. `None` when the quotient does not fit.
#[inline(always)]
fn mul_div_by_word(a: Words, b: u64, c: u64) -> Option<Words> {
    let [a0, a1, a2, a3] = a;
    let (p0, carry) = a0.carrying_mul(b, 0);
    let (p1, carry) = a1.carrying_mul(b, carry);
    let (p2, carry) = a2.carrying_mul(b, carry);
    let (p3, p4) = a3.carrying_mul(b, carry);
    if p4 >= c {
        return None;
    }
    let divisor = WordDivisor::new(c);
    let rest = divisor.aligned(p4, p3);
    let (q3, rest) = divisor.divide(rest, divisor.aligned(p3, p2));
    let (q2, rest) = divisor.divide(rest, divisor.aligned(p2, p1));
    let (q1, rest) = divisor.divide(rest, divisor.aligned(p1, p0));
    let (q0, _) = divisor.divide(rest, divisor.aligned(p0, 0));
    Some([q0, q1, q2, q3])
}

/// `size * part / whole`, rounded down; `part` is less than `whole`.
#[inline(always)]
pub(crate) fn share_of_words(size: [u64; 3], part: u64, whole: u64) -> [u64; 3] {
    let [a0, a1, a2] = size;
    let (p0, carry) = a0.carrying_mul(part, 0);
    let (p1, carry) = a1.carrying_mul(part, carry);
    let (p2, p3) = a2.carrying_mul(part, carry);
    // A product with less than the divisor as a factor has less than it as its highest word.
    let divisor = WordDivisor::new(whole);
    let rest = divisor.aligned(p3, p2);
    let (q2, rest) = divisor.divide(rest, divisor.aligned(p2, p1));
    let (q1, rest) = divisor.divide(rest, divisor.aligned(p1, p0));
    let (q0, _) = divisor.divide(rest, divisor.aligned(p0, 0));
    [q0, q1, q2]
}

/// `(2^19 - 3 * 2^8) / d` for d from 256 to 511: the first bits of a reciprocal.
const FIRST_BITS: [u16; 256] = {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        table[place] = (((1 << 19) - 3 * 256) / (256 + place)) as u16;
        place += 1;
    }
    table
};

/// `(2^128 - 1) / divisor - 2^64` of a divisor whose highest bit is set: the same paper's algorithm 3.
/// Three steps of Newton's from 11 bits, without a division.
#[inline(always)]
fn reciprocal(divisor: u64) -> u64 {
    let (lowest, upper) = (divisor & 1, (divisor >> 24) + 1);
    let half = (divisor >> 1) + lowest;
    let bits_11 = u64::from(FIRST_BITS[((divisor >> 55) & 0xff) as usize]);
    let bits_21 = (bits_11 << 11) - ((bits_11 * bits_11 * upper) >> 40) - 1;
    let rest = (1 << 60) - bits_21 * upper;
    let bits_34 = (bits_21 << 13) + ((bits_21 * rest) >> 47);
    let rest = ((bits_34 >> 1) & lowest.wrapping_neg()).wrapping_sub(bits_34.wrapping_mul(half));
    let step = ((u128::from(bits_34) * u128::from(rest)) >> 65) as u64;
    let nearly = (bits_34 << 31).wrapping_add(step);
    let product = u128::from(nearly) * u128::from(divisor) + u128::from(divisor);
    nearly.wrapping_sub(((product >> 64) as u64).wrapping_add(divisor))
}

/// `a / c` rounded down; `c` is not zero.
pub(crate) fn divide(a: U256, c: U256) -> U256 {
    let [word, 0, 0, 0] = c.as_limbs() else { return a / c };
    // What is divided by a word always fits.
    mul_div_by_word(*a.as_limbs(), 1, *word).map_or(a, U256::from_limbs)
}

/// A divisor with its reciprocal, shifted so that its highest bit is set. Dividends are shifted by as
/// much once ([`Self::aligned`]); then so are the rests, and the quotients are the same.
#[derive(Debug, Clone, Copy)]
struct WordDivisor {
    normalized: u64,
    shift: u32,
    /// `(2^128 - 1) / normalized - 2^64`.
    reciprocal: u64,
}

impl WordDivisor {
    /// A divisor that is not zero.
    #[inline(always)]
    fn new(divisor: u64) -> Self {
        let shift = divisor.leading_zeros();
        let normalized = divisor << shift;
        Self { normalized, shift, reciprocal: reciprocal(normalized) }
    }

    /// The upper word of two after the shift.
    #[inline(always)]
    fn aligned(self, upper: u64, lower: u64) -> u64 {
        let both = (u128::from(upper) << 64) | u128::from(lower);
        ((both << self.shift) >> 64) as u64
    }

    /// Quotient and rest of `high * 2^64 + low`, both aligned, where `high` is less than the divisor: the
    /// rest of the words before.
    #[inline(always)]
    fn divide(self, high: u64, low: u64) -> (u64, u64) {
        let dividend = (u128::from(high) << 64) | u128::from(low);
        let estimate = u128::from(self.reciprocal) * u128::from(high);
        let estimate = estimate.wrapping_add(dividend);
        let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
        let mut rest = low.wrapping_sub(quotient.wrapping_mul(self.normalized));
        // The estimate is one too high about every other time.
        if rest > estimate as u64 {
            quotient = quotient.wrapping_sub(1);
            rest = rest.wrapping_add(self.normalized);
        }
        if rest >= self.normalized {
            quotient += 1;
            rest -= self.normalized;
        }
        (quotient, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0u64..9,
            (u64::MAX - 9)..=u64::MAX,
            (0u32..64).prop_map(|n| 1 << n)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn reciprocals_are_those_of_a_division(divisor in word()) {
            let normalized = divisor.max(1) << divisor.max(1).leading_zeros();
            let expected = (u128::MAX / u128::from(normalized)) as u64;
            prop_assert_eq!(reciprocal(normalized), expected);
        }

        #[test]
        fn quotient_and_rest_are_those_of_the_wide_division(high in word(), low in word(), by in word()) {
            let by = by.max(1);
            let high = high % by;
            let dividend = (u128::from(high) << 64) | u128::from(low);
            let divisor = WordDivisor::new(by);
            let (quotient, rest) = divisor.divide(divisor.aligned(high, low), divisor.aligned(low, 0));
            let expected = ((dividend / u128::from(by)) as u64, (dividend % u128::from(by)) as u64);
            prop_assert_eq!((quotient, rest >> divisor.shift), expected);
        }

        #[test]
        fn division_by_words_is_division(
            words in proptest::array::uniform4(any::<u64>()), cut in 0usize..256, b in word(), c in word(),
        ) {
            let (a, c) = (U256::from_limbs(words) >> cut, c.max(1));
            let wide: U512 = a.widening_mul(U256::from(b));
            let expected = U256::checked_from_limbs_slice((wide / U512::from(c)).as_limbs());
            prop_assert_eq!(mul_div_by_word(*a.as_limbs(), b, c).map(U256::from_limbs), expected);
            prop_assert_eq!(divide(a, U256::from(c)), a / U256::from(c));
        }
    }
}
