//! What calls to providers cost.

use pnl_core::{AmountError, RawAmount, Usd};

/// What so many calls cost at this price of a thousand, exactly: prices have at most nine places.
///
/// # Errors
/// When the amount does not fit.
pub fn of_calls(price_per_thousand: Usd, calls: u64) -> Result<Usd, AmountError> {
    price_per_thousand.share(RawAmount::from(calls), RawAmount::from(1000u64))
}

/// The sum, or `None` as soon as one of them is not known or it does not fit.
pub fn sum(costs: impl IntoIterator<Item = Option<Usd>>) -> Option<Usd> {
    costs.into_iter().try_fold(Usd::ZERO, |sum, cost| sum.checked_add(cost?).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_a_thousandth_to_the_last_place() {
        for (price, calls, cost) in [
            ("0.05", 1, "0.00005"),
            ("0.05", 20_000, "1"),
            ("0.000000001", 1, "0.000000000001"),
            ("1.5", 1000, "1.5"),
            ("0", 7, "0"),
            ("3", 0, "0"),
            ("1000000", u64::MAX, "18446744073709551615000"),
        ] {
            let found = of_calls(price.parse().unwrap(), calls).unwrap();
            assert_eq!(found.to_string(), cost, "{calls} at {price}");
        }
    }

    #[test]
    fn a_sum_with_an_unknown_part_is_unknown() {
        let one = Some("0.1".parse().unwrap());
        assert_eq!(sum([one, one, one]).unwrap().to_string(), "0.3");
        assert_eq!(sum([]), Some(Usd::ZERO));
        assert_eq!(sum([one, None]), None);
    }
}
