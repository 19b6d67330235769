//! The value V of an exchange, and what it makes each leg worth.
//!
//! Both sides of an exchange are worth the same money, seen twice. Where the two views differ, the
//! side that can be relied on more decides: listed stablecoins at par, then the native coin at its
//! hourly price, then provider prices. No value is invented: what cannot be derived stays unknown.
//!
//! The rules:
//! - a side ranks as its worst leg; a side with an unknown leg gives no V;
//! - V is the market value of the better-ranked side, of the sold side when both rank the same;
//! - the legs of the side that gives V keep their own market value;
//! - the other side, when all its legs are priced, is scaled to V;
//! - one unknown leg there: it is worth V minus the priced legs when that is positive; else it
//!   stays unknown and the priced ones are scaled to V;
//! - several unknown legs there stay unknown, the priced ones keep their own market value;
//! - without V every priced leg keeps its own market value.
//!
//! Scaling rounds each leg down at 1e-36 USD and gives the remainder to the last one, so the legs
//! always sum to V. A side whose market value is nothing at all has no proportions: its last leg
//! takes V.

use crate::amount::{AmountError, Usd};
use crate::price::PriceRank;

/// What a leg is worth on the market by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarketValue {
    /// US dollars for the whole leg, never negative.
    pub value: Usd,
    /// How far its price can be relied on.
    pub rank: PriceRank,
}

/// What a leg is worth in an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegValue {
    /// Its own market value.
    Own(Usd),
    /// Its part of the value of the other side.
    Derived(Usd),
    /// Not known.
    Unknown,
}

impl LegValue {
    /// The value in US dollars, when known.
    pub fn usd(self) -> Option<Usd> {
        match self {
            Self::Own(value) | Self::Derived(value) => Some(value),
            Self::Unknown => None,
        }
    }

    fn own(market: &Option<MarketValue>) -> Self {
        market.as_ref().map_or(Self::Unknown, |market| Self::Own(market.value))
    }
}

/// Which side of an exchange gave its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What left.
    Sold,
    /// What came in.
    Bought,
}

/// An exchange with the value of every leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// V and the side it comes from; `None` when neither side is fully priced.
    pub value: Option<(Usd, Side)>,
    /// The sold legs, in the order given.
    pub sold: Vec<LegValue>,
    /// The bought legs, in the order given.
    pub bought: Vec<LegValue>,
}

/// Values an exchange from the market values of its legs (`None` = unpriced).
///
/// # Errors
/// [`AmountError::Overflow`] when the legs of a side sum beyond the range of [`Usd`].
pub fn exchange(
    sold: &[Option<MarketValue>],
    bought: &[Option<MarketValue>],
) -> Result<Exchange, AmountError> {
    let side = match (rank(sold), rank(bought)) {
        (None, None) => None,
        (Some(_), None) => Some(Side::Sold),
        (None, Some(_)) => Some(Side::Bought),
        // The smaller rank is the better one.
        (Some(of_sold), Some(of_bought)) if of_bought < of_sold => Some(Side::Bought),
        (Some(_), Some(_)) => Some(Side::Sold),
    };
    let own = |legs: &[Option<MarketValue>]| legs.iter().map(LegValue::own).collect();
    Ok(match side {
        None => Exchange { value: None, sold: own(sold), bought: own(bought) },
        Some(Side::Sold) => {
            let value = total(sold)?;
            let bought = adjust(bought, value)?;
            Exchange { value: Some((value, Side::Sold)), sold: own(sold), bought }
        }
        Some(Side::Bought) => {
            let value = total(bought)?;
            let sold = adjust(sold, value)?;
            Exchange { value: Some((value, Side::Bought)), sold, bought: own(bought) }
        }
    })
}

/// The worst rank among the legs; `None` when one is unpriced or there is none.
fn rank(legs: &[Option<MarketValue>]) -> Option<PriceRank> {
    let ranks: Option<Vec<PriceRank>> = legs.iter().map(|leg| leg.map(|leg| leg.rank)).collect();
    ranks?.into_iter().max()
}

/// The sum of the priced legs.
fn total(legs: &[Option<MarketValue>]) -> Result<Usd, AmountError> {
    legs.iter().flatten().try_fold(Usd::ZERO, |sum, leg| sum.checked_add(leg.value))
}

/// What the legs of a side are worth when the other side is worth `value`.
fn adjust(legs: &[Option<MarketValue>], value: Usd) -> Result<Vec<LegValue>, AmountError> {
    let priced = total(legs)?;
    match legs.iter().filter(|leg| leg.is_none()).count() {
        0 => scale(legs, priced, value),
        1 => {
            let rest = value.checked_sub(priced)?;
            if !rest.is_positive() {
                return scale(legs, priced, value);
            }
            let derived = |leg: &Option<MarketValue>| match leg {
                Some(market) => LegValue::Own(market.value),
                None => LegValue::Derived(rest),
            };
            Ok(legs.iter().map(derived).collect())
        }
        _ => Ok(legs.iter().map(LegValue::own).collect()),
    }
}

/// The priced legs scaled from their sum `priced` to `value`; unpriced ones stay unknown.
fn scale(
    legs: &[Option<MarketValue>],
    priced: Usd,
    value: Usd,
) -> Result<Vec<LegValue>, AmountError> {
    let last = legs.iter().rposition(Option::is_some);
    let mut left = value;
    let mut scaled = Vec::with_capacity(legs.len());
    for (position, leg) in legs.iter().enumerate() {
        scaled.push(match leg {
            None => LegValue::Unknown,
            Some(_) if Some(position) == last => LegValue::Derived(left),
            Some(market) => {
                let part = match priced.is_zero() {
                    true => Usd::ZERO,
                    false => market.value.scale(value, priced)?,
                };
                left = left.checked_sub(part)?;
                LegValue::Derived(part)
            }
        });
    }
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    fn par(text: &str) -> Option<MarketValue> {
        Some(MarketValue { value: usd(text), rank: PriceRank::Par })
    }

    fn native(text: &str) -> Option<MarketValue> {
        Some(MarketValue { value: usd(text), rank: PriceRank::NativeHour })
    }

    fn provider(text: &str) -> Option<MarketValue> {
        Some(MarketValue { value: usd(text), rank: PriceRank::Provider })
    }

    fn own(text: &str) -> LegValue {
        LegValue::Own(usd(text))
    }

    fn derived(text: &str) -> LegValue {
        LegValue::Derived(usd(text))
    }

    #[test]
    fn an_unpriced_token_is_worth_what_was_paid_for_it() {
        // 1 SOL at 100 -> X.
        let e = exchange(&[native("100")], &[None]).unwrap();
        assert_eq!(e.value, Some((usd("100"), Side::Sold)));
        assert_eq!((e.sold, e.bought), (vec![own("100")], vec![derived("100")]));
    }

    #[test]
    fn the_unpriced_one_of_several_legs_is_worth_the_difference() {
        // 10 USDC + X -> 1 SOL at 100: the sold side is not fully priced, so V = 100, X = 100 - 10.
        let e = exchange(&[par("10"), None], &[native("100")]).unwrap();
        assert_eq!(e.value, Some((usd("100"), Side::Bought)));
        assert_eq!((e.sold, e.bought), (vec![own("10"), derived("90")], vec![own("100")]));
    }

    #[test]
    fn a_difference_that_is_not_positive_leaves_the_leg_unknown_and_scales_the_others() {
        // 120 USDC + X -> 1 SOL at 100: 100 - 120 < 0.
        let e = exchange(&[par("120"), None], &[native("100")]).unwrap();
        assert_eq!((e.sold, e.bought), (vec![derived("100"), LegValue::Unknown], vec![own("100")]));
        // 100 USDC + X -> 1 SOL at 100: 100 - 100 = 0 is not positive either.
        let e = exchange(&[par("100"), None], &[native("100")]).unwrap();
        assert_eq!(e.sold, vec![derived("100"), LegValue::Unknown]);
    }

    #[test]
    fn without_a_fully_priced_side_priced_legs_keep_their_market_value() {
        // X -> Y + 1 SOL at 100.
        let e = exchange(&[None], &[None, native("100")]).unwrap();
        assert_eq!(e.value, None);
        assert_eq!(
            (e.sold, e.bought),
            (vec![LegValue::Unknown], vec![LegValue::Unknown, own("100")])
        );
        let e = exchange(&[None], &[None]).unwrap();
        assert_eq!((e.sold, e.bought), (vec![LegValue::Unknown], vec![LegValue::Unknown]));
    }

    #[test]
    fn the_better_ranked_side_decides_and_a_tie_goes_to_the_sold_side() {
        // 99 USDC at par -> 1 SOL at 100: par beats the hourly price.
        let e = exchange(&[par("99")], &[native("100")]).unwrap();
        assert_eq!((e.value, e.bought), (Some((usd("99"), Side::Sold)), vec![derived("99")]));
        // The same the other way round.
        let e = exchange(&[native("100")], &[par("99")]).unwrap();
        assert_eq!((e.value, e.sold), (Some((usd("99"), Side::Bought)), vec![derived("99")]));
        // Hourly price beats a provider.
        let e = exchange(&[provider("90")], &[native("100")]).unwrap();
        assert_eq!((e.value, e.sold), (Some((usd("100"), Side::Bought)), vec![derived("100")]));
        // Equal ranks: 5 USDC -> 4.99 USDT is 5, X at 7 -> Y at 8 is 7.
        let e = exchange(&[par("5")], &[par("4.99")]).unwrap();
        assert_eq!((e.value, e.bought), (Some((usd("5"), Side::Sold)), vec![derived("5")]));
        let e = exchange(&[provider("7")], &[provider("8")]).unwrap();
        assert_eq!(e.value, Some((usd("7"), Side::Sold)));
    }

    #[test]
    fn a_side_ranks_as_its_worst_leg() {
        // 50 USDC + Z at 40 by a provider -> 1 SOL at 100: provider is worse than the hour, V = 100.
        // USDC: floor(50 * 100 / 90) = 55.5..5 (36 places), Z takes the rest.
        let e = exchange(&[par("50"), provider("40")], &[native("100")]).unwrap();
        assert_eq!(e.value, Some((usd("100"), Side::Bought)));
        let fives = format!("55.{}", "5".repeat(36));
        let rest = format!("44.{}5", "4".repeat(35));
        assert_eq!(e.sold, vec![derived(&fives), derived(&rest)]);
        assert_eq!(usd(&fives).checked_add(usd(&rest)).unwrap(), usd("100"));
    }

    #[test]
    fn several_unknown_legs_stay_unknown_beside_a_known_value() {
        // 1 SOL at 100 -> X + Y + 30 USDC: the bought side is not priced, V = 100, nothing derived.
        let e = exchange(&[native("100")], &[None, None, par("30")]).unwrap();
        assert_eq!(e.value, Some((usd("100"), Side::Sold)));
        assert_eq!(e.bought, vec![LegValue::Unknown, LegValue::Unknown, own("30")]);
    }

    #[test]
    fn a_side_without_any_market_value_gives_v_to_its_last_leg() {
        let e = exchange(&[native("100")], &[provider("0"), provider("0")]).unwrap();
        assert_eq!(e.bought, vec![derived("0"), derived("100")]);
    }

    #[test]
    fn a_value_of_nothing_is_a_value() {
        // Worthless by its provider against USDC: par decides.
        let e = exchange(&[provider("0")], &[par("3")]).unwrap();
        assert_eq!((e.value, e.sold), (Some((usd("3"), Side::Bought)), vec![derived("3")]));
        // V = 0 prices nothing: the unknown leg would get 0 - 0, which is not positive.
        let e = exchange(&[provider("0")], &[None]).unwrap();
        assert_eq!(e.value, Some((Usd::ZERO, Side::Sold)));
        assert_eq!((e.sold, e.bought), (vec![own("0")], vec![LegValue::Unknown]));
        // All priced, scaled to nothing.
        let e = exchange(&[par("0")], &[native("4"), native("5")]).unwrap();
        assert_eq!(e.bought, vec![derived("0"), derived("0")]);
    }

    #[test]
    fn the_smallest_values_survive_scaling_without_losing_a_unit() {
        let dust = "0.000000000000000000000000000000000001";
        // 1 unit over three legs of 1: floor gives 0, 0 and the last one takes it.
        let e = exchange(&[par(dust)], &[native("1"), native("1"), native("1")]).unwrap();
        assert_eq!(e.bought, vec![derived("0"), derived("0"), derived(dust)]);
    }

    #[test]
    fn a_sum_beyond_the_range_is_an_error() {
        let huge = format!("5{}", "0".repeat(40));
        assert_eq!(exchange(&[par(&huge), par(&huge)], &[native("1")]), Err(AmountError::Overflow));
    }
}
