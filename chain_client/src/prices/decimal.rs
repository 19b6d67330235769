//! Prices read from their text, never through a float.

use std::cmp::Ordering;

use pnl_core::UsdPrice;
use pnl_core::amount::USD_PLACES;

/// The largest power of ten a price is moved by. Beyond it lies no price of anything.
const LARGEST_EXPONENT: i32 = 200;

/// Reads a JSON number (`12`, `0.5`, `1e-7`, `2.5E+3`) as a price.
///
/// Exact up to 36 decimal places; further digits are cut, which rounds down by less than 1e-36 USD.
/// `None` for what is no number, does not fit, is negative, or is zero (also after the cut): an
/// asset without a price is not an asset that is worth nothing.
pub(crate) fn parse_price(text: &str) -> Option<UsdPrice> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    if !(-LARGEST_EXPONENT..=LARGEST_EXPONENT).contains(&exponent) {
        return None;
    }
    let (whole, places) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{places}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Where the point stands, counted from the left of `digits`.
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let length = i32::try_from(digits.len()).ok()?;
    let point = match point.cmp(&0) {
        Ordering::Less => {
            digits.insert_str(0, &"0".repeat(usize::try_from(point.checked_neg()?).ok()?));
            0
        }
        _ if point > length => {
            digits.push_str(&"0".repeat(usize::try_from(point - length).ok()?));
            digits.len()
        }
        _ => usize::try_from(point).ok()?,
    };
    let (whole, places) = digits.split_at(point);
    let places = &places[..places.len().min(USD_PLACES)];
    let text = match (whole, places) {
        (whole, "") => whole.to_owned(),
        ("", places) => format!("0.{places}"),
        (whole, places) => format!("{whole}.{places}"),
    };
    let price: UsdPrice = text.parse().ok()?;
    (!price.per_unit().is_zero()).then_some(price)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        parse_price(text).map(|price| price.to_string())
    }

    #[test]
    fn every_notation_of_a_number_gives_its_exact_value() {
        for (text, exact) in [
            ("138.06", "138.06"),
            ("100", "100"),
            ("0.10", "0.1"),
            ("1e-7", "0.0000001"),
            ("1.25E-3", "0.00125"),
            ("12.5e1", "125"),
            ("2.5e+3", "2500"),
            ("1.2345e2", "123.45"),
            ("5e0", "5"),
            ("0.1e1", "1"),
            ("9007199254740993.000000000000000001", "9007199254740993.000000000000000001"),
        ] {
            assert_eq!(read(text).as_deref(), Some(exact), "{text}");
        }
    }

    #[test]
    fn digits_beyond_the_36th_place_are_cut() {
        let long = format!("0.{}19", "0".repeat(35));
        assert_eq!(read(&long), Some(format!("0.{}1", "0".repeat(35))));
        assert_eq!(read("1.9e-36"), Some(format!("0.{}1", "0".repeat(35))));
    }

    #[test]
    fn zero_negative_and_nonsense_are_unknown() {
        for text in [
            "0", "0.0", "0e5", "1e-37", "-1", "", ".", "1e", "e5", "1e999", "1e60", "NaN", "\"5\"",
            "1.2.3", "null", "+1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
