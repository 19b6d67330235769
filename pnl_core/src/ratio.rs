//! Exact ratios, and their one rounding into a figure.
//!
//! A rate, a return or a mean is computed from exact sums as a quotient of integers and rounded once,
//! at the end: half-even at 18 decimal places. A mean of many ratios has no common denominator of any
//! useful size, so it is first enclosed between two close bounds; only when the bounds round
//! differently is the exact sum of fractions formed.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, Zero};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::amount::{AmountError, RawAmount, USD_PLACES, Usd};

/// Decimal places of a [`Figure`].
pub const FIGURE_PLACES: usize = 18;

/// Binary places of the bounds between which a mean is enclosed. A mean of a million ratios is then
/// known to 2^-140, far closer than the 18 decimal places it is rounded to.
const GUARD_BITS: u32 = 160;

/// An exact quotient of two integers.
#[derive(Debug, Clone)]
pub struct Ratio {
    numerator: BigInt,
    /// Always positive.
    denominator: BigInt,
}

impl Ratio {
    /// `numerator / denominator`; `None` when the denominator is zero.
    pub fn new(numerator: impl Into<BigInt>, denominator: impl Into<BigInt>) -> Option<Self> {
        let (numerator, denominator) = (numerator.into(), denominator.into());
        match denominator.sign() {
            Sign::NoSign => None,
            Sign::Plus => Some(Self { numerator, denominator }),
            Sign::Minus => Some(Self { numerator: -numerator, denominator: -denominator }),
        }
    }

    /// A whole number.
    pub(crate) fn of_integer(value: i64) -> Self {
        Self { numerator: value.into(), denominator: BigInt::one() }
    }

    /// How many times `b` is in `a`; `None` when `b` is zero.
    pub fn of_dollars(a: Usd, b: Usd) -> Option<Self> {
        Self::new(units(a), units(b))
    }

    /// An amount of dollars in units of 1e-36 USD.
    pub(crate) fn of_units(amount: Usd) -> Self {
        Self { numerator: units(amount), denominator: BigInt::one() }
    }

    /// The sum of two ratios.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        let (a, b) = (&self.numerator, &self.denominator);
        let (c, d) = (&other.numerator, &other.denominator);
        Self { numerator: a * d + c * b, denominator: b * d }
    }

    /// This ratio per base unit; `None` when the quantity is zero.
    pub(crate) fn per(self, quantity: RawAmount) -> Option<Self> {
        Self::new(self.numerator, self.denominator * BigInt::from(quantity))
    }

    /// The length and the `kept` leading bits of the quotient rounded towards zero, with its sign: an
    /// integer that is never out of order with the ratio.
    pub(crate) fn leading(&self, kept: usize) -> i64 {
        let quotient = self.numerator.magnitude() / self.denominator.magnitude();
        let length = quotient.bits();
        let aligned = quotient >> length.saturating_sub(kept as u64);
        let bits = aligned.iter_u64_digits().next().unwrap_or_default();
        let size = ((length as i64) << kept) + bits as i64;
        if self.numerator.is_negative() { -size } else { size }
    }

    /// This ratio as a percentage.
    #[must_use]
    pub fn percent(self) -> Self {
        Self { numerator: self.numerator * 100u8, denominator: self.denominator }
    }

    /// Whether this is above, at or below zero.
    pub fn sign(&self) -> Ordering {
        self.numerator.cmp(&BigInt::zero())
    }

    /// Rounded half-even at 18 decimal places.
    pub fn figure(&self) -> Figure {
        Figure(round_half_even(&(&self.numerator * figure_unit()), &self.denominator))
    }

    /// The sum of `ratios` divided by `count`, rounded once; `None` when `count` is zero.
    pub fn mean(ratios: &[Self], count: usize) -> Option<Figure> {
        if count == 0 {
            return None;
        }
        // Every term is cut below its true value by less than one unit of the guard.
        let lower: BigInt = ratios
            .iter()
            .map(|ratio| (&ratio.numerator << GUARD_BITS).div_floor(&ratio.denominator))
            .sum();
        let upper = &lower + ratios.len();
        let scale = BigInt::from(count) << GUARD_BITS;
        let [lower, upper] =
            [lower, upper].map(|bound| Figure(round_half_even(&(bound * figure_unit()), &scale)));
        if lower == upper {
            return Some(lower);
        }
        let (numerator, denominator) = exact_sum(ratios);
        let exact = Self { numerator, denominator: denominator * BigInt::from(count) };
        Some(exact.figure())
    }

    /// The middle value, or the mean of the two middle ones; `None` without values.
    pub fn median(ratios: &mut [Self]) -> Option<Figure> {
        let middle = ratios.len() / 2;
        if ratios.is_empty() {
            return None;
        }
        let odd = ratios.len() % 2 == 1;
        let (below, upper, _) = ratios.select_nth_unstable(middle);
        if odd {
            return Some(upper.figure());
        }
        let lower = below.iter().max().cloned()?;
        Self::mean(&[lower, upper.clone()], 2)
    }
}

impl fmt::Display for Ratio {
    /// `numerator/denominator`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl FromStr for Ratio {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let parts = text.split_once('/').and_then(|(numerator, denominator)| {
            Self::new(numerator.parse::<BigInt>().ok()?, denominator.parse::<BigInt>().ok()?)
        });
        parts.ok_or_else(|| AmountError::Syntax(text.to_owned()))
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.numerator * &other.denominator).cmp(&(&other.numerator * &self.denominator))
    }
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ratio {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ratio {}

/// The sum of fractions as numerator and denominator, added in pairs so that the operands of each
/// product are of similar size.
fn exact_sum(ratios: &[Ratio]) -> (BigInt, BigInt) {
    match ratios {
        [] => (BigInt::zero(), BigInt::one()),
        [one] => (one.numerator.clone(), one.denominator.clone()),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            let (a, b) = exact_sum(left);
            let (c, d) = exact_sum(right);
            (a * &d + c * &b, b * d)
        }
    }
}

/// `numerator / denominator` as the nearest integer, ties to the even one. The denominator is
/// positive.
fn round_half_even(numerator: &BigInt, denominator: &BigInt) -> BigInt {
    let (quotient, rest) = numerator.div_mod_floor(denominator);
    match (rest * 2u8).cmp(denominator) {
        Ordering::Less => quotient,
        Ordering::Equal if quotient.is_even() => quotient,
        Ordering::Equal | Ordering::Greater => quotient + 1u8,
    }
}

fn figure_unit() -> BigInt {
    BigInt::from(10u64.pow(FIGURE_PLACES as u32))
}

/// The dollars in units of 1e-36 USD.
pub(crate) fn units(amount: Usd) -> BigInt {
    let sign = if amount.is_negative() { Sign::Minus } else { Sign::Plus };
    BigInt::from_bytes_le(sign, &amount.units().unsigned_abs().to_le_bytes::<32>())
}

impl From<RawAmount> for BigInt {
    fn from(quantity: RawAmount) -> Self {
        Self::from_bytes_le(Sign::Plus, &quantity.to_u256().to_le_bytes::<32>())
    }
}

/// A number at 18 decimal places: a ratio, a metric. Written as decimal text, trailing zeros cut.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Figure(BigInt);

impl Figure {
    /// Nothing.
    pub fn zero() -> Self {
        Self::default()
    }

    /// The square root of `numerator / denominator`, neither of them negative, with the sign of `sign`;
    /// rounded half-even at 18 places. `None` when the denominator is zero.
    pub(crate) fn of_root(sign: Sign, numerator: &BigInt, denominator: &BigInt) -> Option<Self> {
        if denominator.is_zero() {
            return None;
        }
        let scaled = numerator * figure_unit() * figure_unit();
        let root = (&scaled / denominator).sqrt();
        // The root lies between these two; it is nearer to the upper one when it is above their middle,
        // root + 1/2: when 4 * scaled / denominator is above (2 * root + 1)^2.
        let middle = &root * 2u8 + 1u8;
        let (above, at) = (scaled * 4u8, &middle * &middle * denominator);
        let rounded = match above.cmp(&at) {
            Ordering::Less => root,
            Ordering::Equal if root.is_even() => root,
            Ordering::Equal | Ordering::Greater => root + 1u8,
        };
        Some(Self(if sign == Sign::Minus { -rounded } else { rounded }))
    }

    /// Dollars rounded half-even at 18 places.
    pub fn of_dollars(amount: Usd) -> Self {
        let unit = BigInt::from(10u8).pow((USD_PLACES - FIGURE_PLACES) as u32);
        Self(round_half_even(&units(amount), &unit))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>width$}", self.0.abs().to_string(), width = FIGURE_PLACES + 1);
        let (whole, places) = digits.split_at(digits.len() - FIGURE_PLACES);
        let places = places.trim_end_matches('0');
        let sign = if self.0.is_negative() { "-" } else { "" };
        match places {
            "" => write!(f, "{sign}{whole}"),
            places => write!(f, "{sign}{whole}.{places}"),
        }
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figure({self})")
    }
}

impl FromStr for Figure {
    type Err = AmountError;

    /// Reads `[-]digits[.digits]` with at most 18 decimal places.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (Sign::Minus, rest),
            None => (Sign::Plus, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(places) {
            return Err(AmountError::Syntax(text.to_owned()));
        }
        if places.len() > FIGURE_PLACES {
            return Err(AmountError::Precision(text.to_owned()));
        }
        let mantissa = format!("{whole}{places:0<width$}", width = FIGURE_PLACES);
        let magnitude: BigUint =
            mantissa.parse().map_err(|_| AmountError::Syntax(text.to_owned()))?;
        Ok(Self(BigInt::from_biguint(sign, magnitude)))
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(numerator: i64, denominator: i64) -> Ratio {
        Ratio::new(numerator, denominator).unwrap()
    }

    #[test]
    fn ratios_are_rounded_half_even_at_18_places() {
        for (numerator, denominator, text) in [
            (1, 3, "0.333333333333333333"),
            (2, 3, "0.666666666666666667"),
            (-2, 3, "-0.666666666666666667"),
            (1, -4, "-0.25"),
            (0, -7, "0"),
            // 0.5e-18, 1.5e-18 and 2.5e-18: ties go to the even neighbour, on both sides of zero.
            (1, 2_000_000_000_000_000_000, "0"),
            (3, 2_000_000_000_000_000_000, "0.000000000000000002"),
            (5, 2_000_000_000_000_000_000, "0.000000000000000002"),
            (-3, 2_000_000_000_000_000_000, "-0.000000000000000002"),
            (-1, 2_000_000_000_000_000_000, "0"),
        ] {
            assert_eq!(ratio(numerator, denominator).figure().to_string(), text);
        }
        assert_eq!(Ratio::new(1, 0), None);
    }

    #[test]
    fn dollars_become_figures_by_the_same_rule() {
        for (dollars, text) in [
            ("1.0000000000000000005", "1"),
            ("1.0000000000000000015", "1.000000000000000002"),
            ("-1.000000000000000000500000000000000001", "-1.000000000000000001"),
            ("39614081257132168796771975168.25", "39614081257132168796771975168.25"),
        ] {
            assert_eq!(Figure::of_dollars(dollars.parse().unwrap()).to_string(), text);
        }
    }

    #[test]
    fn roots_are_rounded_half_even_at_18_places() {
        let root = |sign, numerator: i64, denominator: i64| {
            let root = Figure::of_root(sign, &numerator.into(), &denominator.into());
            root.map(|figure| figure.to_string())
        };
        assert_eq!(root(Sign::Plus, 2, 1).unwrap(), "1.414213562373095049");
        assert_eq!(root(Sign::Minus, 9, 4).unwrap(), "-1.5");
        assert_eq!(root(Sign::NoSign, 0, 5).unwrap(), "0");
        assert_eq!(root(Sign::Plus, 1, 0), None);
        // (0.5e-18)^2 and (1.5e-18)^2 are ties, which go to the even neighbour.
        let scale = BigInt::from(10u8).pow(36) * 4u8;
        for (numerator, text) in
            [(1, "0"), (9, "0.000000000000000002"), (2, "0.000000000000000001")]
        {
            assert_eq!(
                Figure::of_root(Sign::Plus, &numerator.into(), &scale).unwrap().to_string(),
                text
            );
        }
    }

    #[test]
    fn means_are_exact_where_the_bounds_cannot_tell() {
        // 1/3 + 2/3 = 1 exactly, while both bounds cut something off below; (1/3 + 2/3) / 2 = 0.5.
        assert_eq!(Ratio::mean(&[ratio(1, 3), ratio(2, 3)], 2).unwrap().to_string(), "0.5");
        // 1/3 + 1/6 + 0.5e-18 is a tie of the 18th place, which no bound below it can see.
        let tie = [ratio(1, 3), ratio(1, 6), ratio(1, 2_000_000_000_000_000_000)];
        assert_eq!(Ratio::mean(&tie, 1).unwrap().to_string(), "0.5");
        // About 1e-19 more is no tie.
        let above = [tie[0].clone(), tie[1].clone(), tie[2].clone(), ratio(1, i64::MAX)];
        assert_eq!(Ratio::mean(&above, 1).unwrap().to_string(), "0.500000000000000001");
        assert_eq!(Ratio::mean(&[], 0), None);
    }

    #[test]
    fn medians_of_an_even_count_are_the_mean_of_the_middle_two() {
        let mut odd = [ratio(5, 1), ratio(1, 3), ratio(2, 5)];
        assert_eq!(Ratio::median(&mut odd).unwrap().to_string(), "0.4");
        // (1/3 + 1/2) / 2 = 5/12.
        let mut even = [ratio(9, 1), ratio(1, 2), ratio(-1, 1), ratio(1, 3)];
        assert_eq!(Ratio::median(&mut even).unwrap().to_string(), "0.416666666666666667");
        assert_eq!(Ratio::median(&mut []), None);
    }

    #[test]
    fn figures_read_back_what_they_write() {
        for text in
            ["0", "-0.000000000000000001", "12.5", "-340282366920938463463374607431768211456"]
        {
            assert_eq!(text.parse::<Figure>().unwrap().to_string(), text);
        }
        for bad in ["", "-", "1.", ".1", "1e3", "0.0000000000000000001"] {
            assert!(bad.parse::<Figure>().is_err(), "{bad:?}");
        }
    }
}
