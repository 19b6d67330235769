//! Numbers of a document, read by their text.
//!
//! A figure may come as text or as a JSON number, with or without an exponent. Either way its digits
//! are taken as they stand: no float is ever made from them.

use alloy_primitives::{I256, U256, U512};
use num_bigint::{BigInt, Sign};

use crate::amount::{AmountError, RawAmount, USD_PLACES, Usd, UsdPrice};
use crate::ratio::Ratio;

/// More decimal shift than this moves any 512-bit product to zero or out of range.
const MAX_SHIFT: i64 = 154;

/// A decimal number: `mantissa / 10^places`, as short as possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    mantissa: U256,
    /// May be negative: 1000 is 1 with -3 places.
    places: i64,
}

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`.
    pub(super) fn read(text: &str) -> Result<Self, AmountError> {
        let syntax = || AmountError::Syntax(text.to_owned());
        let (negative, unsigned) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, read_exponent(exponent).ok_or_else(syntax)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let fraction_missing = number.contains('.') && fraction.is_empty();
        if !is_number(whole) || fraction_missing || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return Err(syntax());
        }
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        if digits.is_empty() {
            return Ok(Self { negative: false, mantissa: U256::ZERO, places: 0 });
        }
        let mantissa = U256::from_str_radix(digits, 10).map_err(|_| AmountError::Overflow)?;
        let cut = all.len() - digits.len();
        Ok(Self { negative, mantissa, places: fraction.len() as i64 - cut as i64 - exponent })
    }

    /// Whether it is below zero.
    pub(super) fn is_negative(self) -> bool {
        self.negative
    }

    /// The number as dollars, exactly.
    ///
    /// # Errors
    /// [`AmountError::Precision`] with more than 36 places, [`AmountError::Overflow`].
    pub(super) fn dollars(self, text: &str) -> Result<Usd, AmountError> {
        if self.places > USD_PLACES as i64 {
            return Err(AmountError::Precision(text.to_owned()));
        }
        Ok(self.scaled(U512::from(self.mantissa), USD_PLACES as i64 - self.places)?.0)
    }

    /// The number as a price per whole unit, exactly; errors as for [`Decimal::dollars`].
    pub(super) fn price(self, text: &str) -> Result<UsdPrice, AmountError> {
        self.dollars(text).and_then(UsdPrice::try_from)
    }

    /// The number as a price per whole unit, times a quantity: exact while the places of the price
    /// and the decimals sum to at most 36, else rounded towards zero at 1e-36 USD. Then the second
    /// value is what was cut off, in units of 1e-36 USD.
    pub(super) fn times(
        self,
        quantity: RawAmount,
        decimals: u8,
    ) -> Result<(Usd, Option<Ratio>), AmountError> {
        let product: U512 = self.mantissa.widening_mul(quantity.to_u256());
        self.scaled(product, USD_PLACES as i64 - self.places - i64::from(decimals))
    }

    /// `magnitude * 10^shift` units of 1e-36 USD with this number's sign, and the fraction of a unit
    /// that was cut off.
    fn scaled(self, magnitude: U512, shift: i64) -> Result<(Usd, Option<Ratio>), AmountError> {
        let ten = U512::from(10u8);
        let mut residue = None;
        let units = if magnitude.is_zero() || shift < -MAX_SHIFT {
            U512::ZERO
        } else if shift < 0 {
            let unit = ten.pow(U512::from(shift.unsigned_abs()));
            let (units, rest) = magnitude.div_rem(unit);
            let [rest, unit] = [rest, unit]
                .map(|number| BigInt::from_bytes_le(Sign::Plus, &number.to_le_bytes::<64>()));
            residue = if rest.sign() == Sign::NoSign { None } else { Ratio::new(rest, unit) };
            units
        } else if shift > MAX_SHIFT {
            return Err(AmountError::Overflow);
        } else {
            let factor = ten.pow(U512::from(shift.unsigned_abs()));
            magnitude.checked_mul(factor).ok_or(AmountError::Overflow)?
        };
        let units =
            U256::checked_from_limbs_slice(units.as_limbs()).ok_or(AmountError::Overflow)?;
        let value = Usd::from_units(I256::try_from(units).map_err(|_| AmountError::Overflow)?);
        Ok((if self.negative { value.checked_neg()? } else { value }, residue))
    }
}

/// An exponent; beyond any that can matter it is cut, so that the caller sees zero or an overflow.
fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse::<i64>().unwrap_or(i64::MAX).min(1_000_000_000);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(text: &str) -> Result<String, AmountError> {
        Decimal::read(text)?.dollars(text).map(|value| value.to_string())
    }

    #[test]
    fn numbers_keep_every_digit_of_their_text() {
        for (text, value) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("1e-7", "0.0000001"),
            ("1.25E+2", "125"),
            ("+12000", "12000"),
            ("1000e-38", "0.00000000000000000000000000000000001"),
            ("0.100000000000000000000000000000000000000000", "0.1"),
            ("-589735030408323.754123456789123456", "-589735030408323.754123456789123456"),
            ("0e999999999999999999999", "0"),
        ] {
            assert_eq!(dollars(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_or_does_not_fit_is_refused() {
        for bad in ["", "-", ".", "1.", ".5", "1/3", "1_0", " 1", "e5", "1e", "1e+", "NaN", "0x1"] {
            assert!(matches!(dollars(bad), Err(AmountError::Syntax(_))), "{bad:?}");
        }
        assert!(matches!(dollars("1e-37"), Err(AmountError::Precision(_))));
        assert_eq!(dollars("1e42"), Err(AmountError::Overflow));
        assert_eq!(dollars("1e99999999999999999999"), Err(AmountError::Overflow));
        assert_eq!(dollars(&"9".repeat(80)), Err(AmountError::Overflow));
    }

    #[test]
    fn a_price_may_be_finer_than_a_dollar_figure() {
        // 3e-40 USD for a whole unit of 4 decimals, 10^20 base units: 3e-40 * 10^16 = 3e-24.
        let raw: RawAmount = "100000000000000000000".parse().unwrap();
        let (value, residue) = Decimal::read("3e-40").unwrap().times(raw, 4).unwrap();
        assert_eq!((&*value.to_string(), residue), ("0.000000000000000000000003", None));
        // 1e-27 USD, 1 unit of 18 decimals: 1e-45 is below the smallest unit.
        let one = RawAmount::from(1u64);
        let below = (Usd::ZERO, Ratio::new(1, 1_000_000_000));
        assert_eq!(Decimal::read("1e-27").unwrap().times(one, 18), Ok(below));
        assert_eq!(Decimal::read("1e60").unwrap().times(raw, 0), Err(AmountError::Overflow));
    }
}
