//! Reading, writing and computing amounts.

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
