//! Exact amounts: base units of an asset and US dollars.
//!
//! Quantities are integers in base units (lamports, wei, the smallest unit of a token). Dollars are
//! signed integers of 1e-36 USD. Both are 256 bits wide and every operation is checked: an amount
//! that does not fit is an error, never a wrapped number. Products are taken in 512 bits.

mod decimal;

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{I256, U256};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::division::mul_div;
use decimal::{Decimal, Digits};

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
///
/// Of two halves rather than an array of words: sums and comparisons then stay in registers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RawAmount {
    high: u128,
    low: u128,
}

impl RawAmount {
    /// No units at all.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// The quantity as a 256-bit integer.
    pub const fn to_u256(self) -> U256 {
        U256::from_limbs(self.limbs())
    }

    /// Its words, the lowest first.
    #[inline(always)]
    pub(crate) const fn limbs(&self) -> [u64; 4] {
        limbs(self.high, self.low)
    }

    /// The quantity where it has 64 bits.
    #[inline(always)]
    pub(crate) fn word(&self) -> Option<u64> {
        if self.high == 0 { u64::try_from(self.low).ok() } else { None }
    }

    /// Whether there is nothing.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        (self.high | self.low) == 0
    }

    /// Sum, or [`AmountError::Overflow`].
    #[inline(always)]
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        let (low, carry) = self.low.overflowing_add(other.low);
        let (high, over) = self.high.overflowing_add(other.high);
        let (high, over_by_carry) = high.overflowing_add(u128::from(carry));
        if over | over_by_carry { Err(AmountError::Overflow) } else { Ok(Self { high, low }) }
    }

    /// Difference, or [`AmountError::Overflow`] when `other` is larger.
    #[inline(always)]
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        if self < other { Err(AmountError::Overflow) } else { Ok(self.wrapping_sub(other)) }
    }

    /// Sum of quantities that are parts of one that fits.
    #[inline(always)]
    pub(crate) fn wrapping_add(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        let high = self.high.wrapping_add(other.high).wrapping_add(u128::from(carry));
        Self { high, low }
    }

    /// Difference to a part.
    #[inline(always)]
    pub(crate) fn wrapping_sub(self, part: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(part.low);
        let high = self.high.wrapping_sub(part.high).wrapping_sub(u128::from(borrow));
        Self { high, low }
    }

    /// The same quantity as a movement into the wallet.
    pub const fn into_delta(self) -> RawDelta {
        RawDelta { magnitude: self.to_u256(), negative: false }
    }
}

/// The words of a number, the lowest first.
#[inline(always)]
const fn limbs(high: u128, low: u128) -> [u64; 4] {
    [low as u64, (low >> 64) as u64, high as u64, (high >> 64) as u64]
}

/// The halves of a number, the upper one first.
#[inline(always)]
const fn halves(words: [u64; 4]) -> (u128, u128) {
    let [a, b, c, d] = words;
    ((c as u128) | ((d as u128) << 64), (a as u128) | ((b as u128) << 64))
}

impl From<u64> for RawAmount {
    fn from(value: u64) -> Self {
        Self { high: 0, low: value.into() }
    }
}

impl From<u128> for RawAmount {
    fn from(value: u128) -> Self {
        Self { high: 0, low: value }
    }
}

impl From<U256> for RawAmount {
    fn from(value: U256) -> Self {
        Self::of(value)
    }
}

impl RawAmount {
    fn text(self) -> Digits {
        Digits::of(self.limbs())
    }

    const fn of(value: U256) -> Self {
        let (high, low) = halves(*value.as_limbs());
        Self { high, low }
    }
}

impl FromStr for RawAmount {
    type Err = AmountError;

    /// Reads decimal digits, nothing else: no sign, no point, no exponent.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AmountError::Syntax(text.to_owned()));
        }
        let words = decimal::read(text.bytes()).ok_or(AmountError::Overflow)?;
        let (high, low) = halves(words);
        Ok(Self { high, low })
    }
}

impl fmt::Display for RawAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad_integral(true, "", self.text().as_str())
    }
}

impl fmt::Debug for RawAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawAmount({})", self.to_u256())
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
        RawAmount::of(self.magnitude)
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

    fn text(self) -> Decimal {
        Decimal::of(self.negative, *self.magnitude.as_limbs(), 0)
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
        f.write_str(self.text().as_str())
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
///
/// Of two halves like [`RawAmount`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd {
    high: i128,
    low: u128,
}

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// The value as an integer of 1e-36 USD.
    pub const fn units(self) -> I256 {
        I256::from_raw(U256::from_limbs(self.limbs()))
    }

    /// A value of so many units of 1e-36 USD.
    pub const fn from_units(units: I256) -> Self {
        Self::from_limbs(*units.as_limbs())
    }

    /// Its words in two's complement, the lowest first.
    #[inline(always)]
    pub(crate) const fn limbs(&self) -> [u64; 4] {
        limbs(self.high as u128, self.low)
    }

    /// The value of such words.
    #[inline(always)]
    pub(crate) const fn from_limbs(words: [u64; 4]) -> Self {
        let (high, low) = halves(words);
        Self { high: high as i128, low }
    }

    /// Whether this is nothing.
    #[inline(always)]
    pub fn is_zero(self) -> bool {
        (self.high as u128 | self.low) == 0
    }

    /// Whether this is below nothing.
    #[inline(always)]
    pub fn is_negative(self) -> bool {
        self.high < 0
    }

    /// Whether this is above nothing.
    pub fn is_positive(self) -> bool {
        !self.is_negative() && !self.is_zero()
    }

    /// Sum, or [`AmountError::Overflow`].
    #[inline(always)]
    pub fn checked_add(self, other: Self) -> Result<Self, AmountError> {
        let sum = self.wrapping_add(other);
        // Two numbers of one sign have a sum of the same.
        let differs = (self.high ^ sum.high) & (other.high ^ sum.high);
        if differs < 0 { Err(AmountError::Overflow) } else { Ok(sum) }
    }

    /// Difference, or [`AmountError::Overflow`].
    #[inline(always)]
    pub fn checked_sub(self, other: Self) -> Result<Self, AmountError> {
        let difference = self.wrapping_sub(other);
        // Of two numbers of different signs it has the sign of the first.
        let differs = (self.high ^ other.high) & (self.high ^ difference.high);
        if differs < 0 { Err(AmountError::Overflow) } else { Ok(difference) }
    }

    /// Sum of amounts whose sum is known to fit.
    #[inline(always)]
    pub(crate) fn wrapping_add(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self { high: self.high.wrapping_add(other.high).wrapping_add(i128::from(carry)), low }
    }

    /// Difference of amounts that is known to fit.
    #[inline(always)]
    pub(crate) fn wrapping_sub(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self { high: self.high.wrapping_sub(other.high).wrapping_sub(i128::from(borrow)), low }
    }

    /// The opposite value, or [`AmountError::Overflow`] for the smallest one.
    pub fn checked_neg(self) -> Result<Self, AmountError> {
        Self::ZERO.checked_sub(self)
    }

    /// The size without its sign.
    #[inline(always)]
    fn magnitude(self) -> [u64; 4] {
        let size = if self.is_negative() { Self::ZERO.wrapping_sub(self) } else { self };
        size.limbs()
    }

    /// The share `part / whole` of this value.
    ///
    /// The product is taken in 512 bits; the quotient is rounded towards zero at 1e-36 USD, so the
    /// remainder stays with whoever keeps the rest. `part == whole` gives the value itself.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when `whole` is zero or the share does not fit.
    pub fn share(self, part: RawAmount, whole: RawAmount) -> Result<Self, AmountError> {
        self.part(part, whole).ok_or(AmountError::Overflow)
    }

    /// [`Self::share`]; `None` for its error.
    #[inline(always)]
    pub(crate) fn part(self, part: RawAmount, whole: RawAmount) -> Option<Self> {
        if part == whole || self.is_zero() {
            return if whole.is_zero() { None } else { Some(self) };
        }
        let magnitude = mul_div(self.magnitude(), part.limbs(), whole.limbs())?;
        Self::with_sign(magnitude, self.is_negative())
    }

    /// This value scaled by `numerator / denominator`, all in dollars, rounded towards zero.
    ///
    /// # Errors
    /// [`AmountError::Overflow`] when `denominator` is zero or the result does not fit.
    pub fn scale(self, numerator: Self, denominator: Self) -> Result<Self, AmountError> {
        let negative = self.is_negative() ^ numerator.is_negative() ^ denominator.is_negative();
        let size = mul_div(self.magnitude(), numerator.magnitude(), denominator.magnitude());
        size.and_then(|size| Self::with_sign(size, negative)).ok_or(AmountError::Overflow)
    }

    /// Exact decimal text, trailing zeros cut, no exponent.
    fn text(self) -> Decimal {
        Decimal::of(self.is_negative(), self.magnitude(), USD_PLACES)
    }

    /// `None` when it does not fit.
    #[inline(always)]
    fn with_sign(magnitude: [u64; 4], negative: bool) -> Option<Self> {
        let value = Self::from_limbs(magnitude);
        if value.is_negative() {
            return None;
        }
        // A positive 255-bit value always has a negation.
        Some(if negative { Self::ZERO.wrapping_sub(value) } else { value })
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
        let zeros = std::iter::repeat_n(b'0', USD_PLACES - places.len());
        let units = decimal::read(whole.bytes().chain(places.bytes()).chain(zeros));
        units
            .and_then(|magnitude| Self::with_sign(magnitude, negative))
            .ok_or(AmountError::Overflow)
    }
}

impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
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
        let size = mul_div(self.0.magnitude(), quantity.limbs(), *unit.as_limbs());
        size.and_then(|size| Usd::with_sign(size, false)).ok_or(AmountError::Overflow)
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
                serializer.serialize_str(self.text().as_str())
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
mod tests;
