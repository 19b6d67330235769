//! What holds for the lines of any chain.

use std::collections::BTreeMap;

use alloy_primitives::{U256, U512};
use pnl_core::{RawDelta, WalletTransaction};

/// A sum of what came and a sum of what went: 512 bits hold any number of amounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// What came.
    pub came: U512,
    /// What went.
    pub went: U512,
}

impl Flow {
    /// Adds an amount with its sign.
    pub fn add(&mut self, raw: RawDelta) {
        let size = U512::from(raw.magnitude().to_u256());
        if raw.is_negative() { self.went += size } else { self.came += size }
    }

    /// The difference as sign and size; `None` when it is zero, or too large to be told.
    pub fn net(self) -> Option<(bool, U256)> {
        let is_negative = self.went > self.came;
        let size = if is_negative { self.went - self.came } else { self.came - self.went };
        let size = U256::checked_from_limbs_slice(size.as_limbs())?;
        (!size.is_zero()).then_some((is_negative, size))
    }
}

/// Checks what every line has in common, and gives its net by asset.
///
/// # Panics
/// When something of it does not hold.
pub fn check(line: &WalletTransaction) -> BTreeMap<String, (bool, U256)> {
    let text = serde_json::to_vec(line).expect("a line can be written");
    let read: WalletTransaction = serde_json::from_slice(&text).expect("a line can be read");
    assert_eq!(&read, line);
    assert!(line.net.windows(2).all(|pair| pair[0].asset < pair[1].asset), "{line:?}");
    assert!(line.fee.as_ref().is_none_or(|fee| fee.raw <= RawDelta::ZERO), "{line:?}");
    let net = line.net.iter().map(|change| {
        let mut flow = Flow::default();
        flow.add(change.raw);
        (change.asset.to_string(), flow.net().expect("no row is zero"))
    });
    net.collect()
}
