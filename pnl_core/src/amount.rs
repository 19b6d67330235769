//! Exact amounts: base units of an asset and US dollars.
//!
//! Quantities are integers in base units (lamports, wei, the smallest unit of a token). Dollars are
//! signed integers of 1e-36 USD. Both are 256 bits wide and every operation is checked: an amount
//! that does not fit is an error, never a wrapped number. Products are taken in 512 bits.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{I256, U256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::division::mul_div;

/// Decimal places of a [`Usd`] value: one unit is 1e-36 USD.
pub const USD_PLACES: usize = 36;

/// Why an amount could not be read or computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The text is not a number of the expected form.
    #[error("not a valid amount: {0:?}")]
    Syntax(String),
    /// More decimal places than [`USD_PLACES`].
    #[error("more than {USD_PLACES} decimal places: {0:?}")]
    Precision(String),
    /// The number does not fit into 256 bits.
    #[error("amount out of range")]
    Overflow,
}

/// An unsigned quantity in base units.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RawAmount(U256);

impl RawAmount {
    /// No units at all.
    pub const ZERO: Self = Self(U256::ZERO);

    /// The quantity as a 256-bit integer.
    pub const fn to_u256(self) -> U256 {
        self.0
    }

    /// Whether there is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Sum, or [`AmountError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_add(other.0).map(Self).ok_or(AmountError::Overflow)
    }

    /// Difference, or [`AmountError::Overflow`] when `other` is larger.
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_sub(other.0).map(Self).ok_or(AmountError::Overflow)
    }

    /// Sum of quantities that are parts of one that fits.
    pub(crate) fn wrapping_add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// Difference to a part.
    pub(crate) fn wrapping_sub(self, part: Self) -> Self {
        Self(self.0.wrapping_sub(part.0))
    }

    /// The same quantity as a movement into the wallet.
    pub const fn into_delta(self) -> RawDelta {
        RawDelta { magnitude: self.0, negative: false }
    }
}

impl From<u64> for RawAmount {
    fn from(value: u64) -> Self {
        Self(U256::from(value))
    }
}

impl From<u128> for RawAmount {
    fn from(value: u128) -> Self {
        Self(U256::from(value))
    }
}

impl From<U256> for RawAmount {
    fn from(value: U256) -> Self {
        Self(value)
    }
}

impl FromStr for RawAmount {
    type Err = AmountError;

    /// Reads decimal digits, nothing else: no sign, no point, no exponent.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AmountError::Syntax(text.to_owned()));
        }
        U256::from_str_radix(text, 10).map(Self).map_err(|_| AmountError::Overflow)
    }
}

impl fmt::Display for RawAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for RawAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawAmount({})", self.0)
    }
}

/// A signed change in base units, seen from the wallet: positive came in, negative went out.
///
/// Sign and size are kept apart, so that a change can be as large as an amount: tokens of an EVM
/// chain count to 2^256 - 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RawDelta {
    magnitude: U256,
    /// Never set for zero.
    negative: bool,
}

impl RawDelta {
    /// No change.
    pub const ZERO: Self = Self { magnitude: U256::ZERO, negative: false };

    const fn with_sign(magnitude: U256, negative: bool) -> Self {
        Self { magnitude, negative: negative && !magnitude.const_is_zero() }
    }

    /// Whether nothing changed.
    pub fn is_zero(self) -> bool {
        self.magnitude.is_zero()
    }

    /// Whether something went out.
    pub const fn is_negative(self) -> bool {
        self.negative
    }

    /// Whether something came in.
    pub fn is_positive(self) -> bool {
        !self.negative && !self.is_zero()
    }

    /// The size of the change without its sign.
    pub const fn magnitude(self) -> RawAmount {
        RawAmount(self.magnitude)
    }

    /// Sum, or [`AmountError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        if self.negative == other.negative {
            let sum = self.magnitude.checked_add(other.magnitude).ok_or(AmountError::Overflow)?;
            return Ok(Self::with_sign(sum, self.negative));
        }
        // Of two opposite changes the larger one gives the sign; the rest always fits.
        Ok(match self.magnitude.checked_sub(other.magnitude) {
            Some(rest) => Self::with_sign(rest, self.negative),
            None => Self::with_sign(other.magnitude.wrapping_sub(self.magnitude), other.negative),
        })
    }

    /// Difference, or [`AmountError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        self.checked_add(other.opposite())
    }

    /// The same change in the other direction.
    pub const fn opposite(self) -> Self {
        Self::with_sign(self.magnitude, !self.negative)
    }
}

impl Ord for RawDelta {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude.cmp(&other.magnitude),
            (true, true) => other.magnitude.cmp(&self.magnitude),
            (negative, _) => other.negative.cmp(&negative),
        }
    }
}

impl PartialOrd for RawDelta {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i64> for RawDelta {
    fn from(value: i64) -> Self {
        Self::from(i128::from(value))
    }
}

impl From<i128> for RawDelta {
    fn from(value: i128) -> Self {
        Self::with_sign(U256::from(value.unsigned_abs()), value < 0)
    }
}

impl FromStr for RawDelta {
    type Err = AmountError;

    /// Reads decimal digits with an optional leading `-`.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        match text.strip_prefix('-') {
            Some(digits) => Ok(digits.parse::<RawAmount>()?.into_delta().opposite()),
            None => Ok(text.parse::<RawAmount>()?.into_delta()),
        }
    }
}

impl fmt::Display for RawDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        fmt::Display::fmt(&self.magnitude, f)
    }
}

impl fmt::Debug for RawDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawDelta({self})")
    }
}

/// A signed amount of US dollars in units of 1e-36 USD.
///
/// Range about ±5.7e40 USD. An 18-place price times an 18-decimals quantity is exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(I256);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(I256::ZERO);

    /// The value as an integer of 1e-36 USD.
    pub const fn units(self) -> I256 {
        self.0
    }

    /// A value of so many units of 1e-36 USD.
    pub const fn from_units(units: I256) -> Self {
        Self(units)
    }

    /// Whether this is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// Whether this is below nothing.
    pub fn is_negative(self) -> bool {
        self.0.is_negative()
    }

    /// Whether this is above nothing.
    pub fn is_positive(self) -> bool {
        self.0.is_positive()
    }

    /// Sum, or [`AmountError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_add(other.0).map(Self).ok_or(AmountError::Overflow)
    }

    /// Difference, or [`AmountError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        self.0.checked_sub(other.0).map(Self).ok_or(AmountError::Overflow)
    }

    /// Sum of amounts whose sum is known to fit.
    pub(crate) fn wrapping_add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// Difference of amounts that is known to fit.
    pub(crate) fn wrapping_sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// The opposite value, or [`AmountError::Overflow`] for the smallest one.
    pub fn checked_neg(self) -> Result<Self, AmountError> {
        self.0.checked_neg().map(Self).ok_or(AmountError::Overflow)
    }

    /// The share `part / whole` of this value.
    ///
    /// The product is taken in 512 bits; the quotient is rounded towards zero at 1e-36 USD, so the
    /// remainder stays with whoever keeps the rest. `part == whole` gives the value itself.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when `whole` is zero or the share does not fit.
    #[inline(always)]
    pub fn share(self, part: RawAmount, whole: RawAmount) -> Result<Self, AmountError> {
        if part == whole || self.is_zero() {
            return if whole.is_zero() { Err(AmountError::Overflow) } else { Ok(self) };
        }
        let magnitude = mul_div(self.0.unsigned_abs(), part.0, whole.0)?;
        Self::with_sign(magnitude, self.0.is_negative())
    }

    /// This value scaled by `numerator / denominator`, all in dollars, rounded towards zero.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when `denominator` is zero or the result does not fit.
    pub fn scale(self, numerator: Self, denominator: Self) -> Result<Self, AmountError> {
        let negative = self.is_negative() ^ numerator.is_negative() ^ denominator.is_negative();
        let magnitude = mul_div(
            self.0.unsigned_abs(),
            numerator.0.unsigned_abs(),
            denominator.0.unsigned_abs(),
        )?;
        Self::with_sign(magnitude, negative)
    }

    #[inline]
    fn with_sign(magnitude: U256, negative: bool) -> Result<Self, AmountError> {
        let value = I256::from_raw(magnitude);
        if value.is_negative() {
            return Err(AmountError::Overflow);
        }
        // A positive 255-bit value always has a negation.
        Ok(Self(if negative { value.wrapping_neg() } else { value }))
    }
}

/// Ten to the power of `exponent`, or [`AmountError::Overflow`] beyond 77.
pub(crate) fn pow10(exponent: u32) -> Result<U256, AmountError> {
    U256::from(10u8).checked_pow(U256::from(exponent)).ok_or(AmountError::Overflow)
}

impl FromStr for Usd {
    type Err = AmountError;

    /// Reads `[-]digits[.digits]`: no exponent, at most 36 decimal places.
    ///
    /// Trailing zeros beyond the 36th place are accepted, other digits there are an error: a figure
    /// is never rounded on the way in.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let syntax = || AmountError::Syntax(text.to_owned());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty()
            || !all_digits(whole)
            || !all_digits(places)
            || (places.is_empty() && digits.contains('.'))
        {
            return Err(syntax());
        }
        let places = places.trim_end_matches('0');
        if places.len() > USD_PLACES {
            return Err(AmountError::Precision(text.to_owned()));
        }
        let mantissa = format!("{whole}{places:0<width$}", width = USD_PLACES);
        let magnitude = U256::from_str_radix(&mantissa, 10).map_err(|_| AmountError::Overflow)?;
        Self::with_sign(magnitude, negative)
    }
}

impl fmt::Display for Usd {
    /// Exact decimal text, trailing zeros cut, no exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0>width$}", self.0.unsigned_abs(), width = USD_PLACES + 1);
        let (whole, places) = digits.split_at(digits.len() - USD_PLACES);
        let places = places.trim_end_matches('0');
        let sign = if self.0.is_negative() { "-" } else { "" };
        match places {
            "" => write!(f, "{sign}{whole}"),
            places => write!(f, "{sign}{whole}.{places}"),
        }
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usd({self})")
    }
}

/// A price: US dollars for one whole unit (10^decimals base units) of an asset. Never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Usd", into = "Usd")]
pub struct UsdPrice(Usd);

impl UsdPrice {
    /// One dollar, the price of a listed stablecoin.
    pub fn par() -> Self {
        Self("1".parse().expect("a plain digit is a valid amount"))
    }

    /// The price as dollars per whole unit.
    pub const fn per_unit(self) -> Usd {
        self.0
    }

    /// The value of `quantity` base units of an asset with so many `decimals`.
    ///
    /// Exact while price places plus decimals stay within 36, else rounded down at 1e-36 USD.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when the value does not fit.
    pub fn value_of(self, quantity: RawAmount, decimals: u8) -> Result<Usd, AmountError> {
        let unit = pow10(u32::from(decimals))?;
        Usd::with_sign(mul_div(self.0.0.unsigned_abs(), quantity.0, unit)?, false)
    }
}

impl TryFrom<Usd> for UsdPrice {
    type Error = AmountError;

    fn try_from(value: Usd) -> Result<Self, AmountError> {
        if value.is_negative() {
            return Err(AmountError::Syntax(value.to_string()));
        }
        Ok(Self(value))
    }
}

impl From<UsdPrice> for Usd {
    fn from(price: UsdPrice) -> Self {
        price.0
    }
}

impl FromStr for UsdPrice {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        text.parse::<Usd>().and_then(Self::try_from)
    }
}

impl fmt::Display for UsdPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for UsdPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UsdPrice({})", self.0)
    }
}

/// Writes and reads an amount as decimal text: a JSON number would pass through a float in most
/// readers.
macro_rules! serde_as_text {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

serde_as_text!(RawAmount, RawDelta, Usd);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_keep_every_digit_of_their_text() {
        for text in [
            "0",
            "1",
            "-1",
            "0.1",
            "-0.000000000000000000000000000000000001",
            "589735030408323.754123456789123456",
        ] {
            assert_eq!(text.parse::<Usd>().unwrap().to_string(), text);
        }
        assert_eq!("1.500".parse::<Usd>().unwrap().to_string(), "1.5");
    }

    #[test]
    fn a_figure_is_refused_rather_than_rounded() {
        let long = format!("0.{}1", "0".repeat(36));
        assert_eq!(long.parse::<Usd>(), Err(AmountError::Precision(long)));
        for bad in ["", "-", ".", "1.", ".5", "1e3", "+1", " 1", "1_0", "--1", "0x1"] {
            assert!(matches!(bad.parse::<Usd>(), Err(AmountError::Syntax(_))), "{bad:?}");
        }
        assert_eq!("1".repeat(60).parse::<Usd>(), Err(AmountError::Overflow));
    }

    #[test]
    fn shares_round_towards_zero_and_the_whole_is_exact() {
        let ten: Usd = "10".parse().unwrap();
        let third = ten.share(RawAmount::from(1u64), RawAmount::from(3u64)).unwrap();
        assert_eq!(third.to_string(), format!("3.{}", "3".repeat(36)));
        assert_eq!(ten.share(RawAmount::from(7u64), RawAmount::from(7u64)).unwrap(), ten);
        assert!(ten.share(RawAmount::from(1u64), RawAmount::ZERO).is_err());
    }

    #[test]
    fn a_price_values_base_units_exactly() {
        let price: UsdPrice = "0.000000000000000001".parse().unwrap();
        let raw: RawAmount = "1000000000000000000000000000000000000000000000".parse().unwrap();
        assert_eq!(price.value_of(raw, 18).unwrap().to_string(), "1000000000");
        assert!("-1".parse::<UsdPrice>().is_err());
    }

    #[test]
    fn deltas_are_signed_integers_in_text() {
        assert_eq!("-5000".parse::<RawDelta>().unwrap(), RawDelta::from(-5000i64));
        assert_eq!(RawDelta::from(i128::MIN).to_string(), i128::MIN.to_string());
        assert_eq!("-0".parse::<RawDelta>().unwrap(), RawDelta::ZERO);
        assert!("-".parse::<RawDelta>().is_err());
        assert!("1.0".parse::<RawDelta>().is_err());
    }

    #[test]
    fn a_delta_is_as_large_as_an_amount() {
        let all = RawAmount::from(U256::MAX).into_delta();
        let one = RawDelta::from(1i64);
        assert_eq!(all.to_string().parse::<RawDelta>().unwrap(), all);
        assert_eq!(all.opposite().checked_add(all).unwrap(), RawDelta::ZERO);
        assert_eq!(all.checked_add(one), Err(AmountError::Overflow));
        assert_eq!(all.opposite().checked_sub(one), Err(AmountError::Overflow));
        assert_eq!(one.checked_sub(all).unwrap().checked_add(all).unwrap(), one);
        let mut sorted = [one, RawDelta::ZERO, all, all.opposite(), one.opposite()];
        sorted.sort();
        assert_eq!(sorted, [all.opposite(), one.opposite(), RawDelta::ZERO, one, all]);
    }
}
