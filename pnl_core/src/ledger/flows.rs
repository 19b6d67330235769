//! What moved of one asset, by direction, and the highest prices that were seen of it.

use alloy_primitives::{I256, U256};
use serde::{Deserialize, Serialize};

use super::event::{LedgerLeg, LegSide};
use crate::amount::{AmountError, RawAmount, RawDelta, Usd, UsdPrice};
use crate::division::mul_div;

/// Sums of the movements of one asset of a wallet, base units, and its price peaks.
///
/// `came_in - went_out - fees - rent` is the sum of all its movements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetFlows {
    /// Net movements into the wallet.
    pub came_in: RawAmount,
    /// Net movements out of it.
    pub went_out: RawAmount,
    /// Network fees and tips.
    pub fees: RawAmount,
    /// Refundable deposits less refunds.
    pub rent: RawDelta,
    /// US dollars per whole unit, each higher than the ones before: the time (unix seconds) and the
    /// price that a movement was valued at.
    pub peaks: Vec<(i64, UsdPrice)>,
}

impl AssetFlows {
    /// Takes up a movement at the time `ts`.
    pub(super) fn add(&mut self, leg: &LedgerLeg, ts: i64) -> Result<(), AmountError> {
        let quantity = leg.raw.magnitude();
        match leg.side {
            LegSide::In => self.came_in = self.came_in.checked_add(quantity)?,
            LegSide::Out => self.went_out = self.went_out.checked_add(quantity)?,
            LegSide::Fee => self.fees = self.fees.checked_add(quantity)?,
            LegSide::Rent => self.rent = self.rent.checked_sub(leg.raw)?,
        }
        let price = leg.unit_price();
        let is_higher = |price: &UsdPrice| self.peaks.last().is_none_or(|(_, peak)| peak < price);
        if let Some(price) = price.filter(is_higher) {
            self.peaks.push((ts, price));
        }
        Ok(())
    }

    /// The highest price up to `until`.
    pub fn highest(&self, until: i64) -> Option<UsdPrice> {
        let known = self.peaks.partition_point(|(ts, _)| *ts <= until);
        self.peaks[..known].last().map(|(_, price)| *price)
    }
}

impl LedgerLeg {
    /// US dollars per whole unit at which the leg was valued; `None` where that is not known.
    pub fn unit_price(&self) -> Option<UsdPrice> {
        let (value, decimals) = (self.value?, self.decimals?);
        let quantity = self.raw.magnitude();
        if quantity.is_zero() {
            return None;
        }
        unit_price(value, quantity, decimals).ok()
    }
}

/// The lowest price at which `quantity` is worth `value` at least; the highest there is when it does
/// not fit.
pub(crate) fn unit_price(
    value: Usd,
    quantity: RawAmount,
    decimals: u8,
) -> Result<UsdPrice, AmountError> {
    let unit = crate::amount::pow10(u32::from(decimals))?;
    let highest = Usd::from_units(I256::MAX);
    let size = mul_div(
        *value.units().unsigned_abs().as_limbs(),
        *unit.as_limbs(),
        *quantity.to_u256().as_limbs(),
    );
    let Some(units) = size.map(U256::from_limbs) else { return highest.try_into() };
    let price = I256::try_from(units).map_or(highest, Usd::from_units);
    let price = UsdPrice::try_from(price)?;
    if price.value_of(quantity, decimals).is_ok_and(|found| found < value) {
        let next = price.per_unit().units().saturating_add(I256::ONE);
        return Usd::from_units(next).try_into();
    }
    Ok(price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_rounded_so_that_the_quantity_is_worth_its_value() {
        let price = |value: &str, quantity: u64, decimals| {
            unit_price(value.parse().unwrap(), RawAmount::from(quantity), decimals).unwrap()
        };
        assert_eq!(price("101.48", 1_000_000_000, 9).to_string(), "101.48");
        assert_eq!(price("1", 3, 0).to_string(), format!("0.{}4", "3".repeat(35)));
        assert_eq!(price("0", 3, 0).to_string(), "0");
        let huge = "1000000000000000000000000000000000";
        assert_eq!(price(huge, 1, 18).per_unit().units(), I256::MAX);
    }
}
