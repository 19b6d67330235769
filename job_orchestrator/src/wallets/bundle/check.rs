//! A transaction that was read again, beside its events.

use std::collections::BTreeMap;

use pnl_core::ledger::LedgerEvent;
use pnl_core::{Address, AssetId, RawDelta, TxStatus, WalletTransaction};

use crate::wallets::WalletsError;

/// What a transaction did, less what its events say.
pub(super) struct Check {
    wallet: Address,
    changes: BTreeMap<AssetId, RawDelta>,
    place: (u64, Option<i64>, TxStatus),
    /// Its index in the block, where that is its place in the ledger.
    index: Option<u32>,
    is_misplaced: bool,
}

impl Check {
    /// `has_index`: whether the ledger goes by the index that the transaction names.
    pub fn of(
        wallet: &Address,
        parsed: &WalletTransaction,
        has_index: bool,
    ) -> Result<Self, WalletsError> {
        let mut check = Self {
            wallet: wallet.clone(),
            changes: BTreeMap::new(),
            place: (parsed.block, parsed.block_time, parsed.status),
            index: parsed.order.index.filter(|_| has_index),
            is_misplaced: false,
        };
        for change in &parsed.net {
            check.add(&change.asset, change.raw)?;
        }
        let native = AssetId::native();
        check.add(&native, parsed.fee.as_ref().map_or_else(RawDelta::default, |fee| fee.raw))?;
        check.add(&native, parsed.tips)?;
        check.add(&native, parsed.rent)?;
        Ok(check)
    }

    fn add(&mut self, asset: &AssetId, raw: RawDelta) -> Result<(), WalletsError> {
        let sum = self.changes.entry(asset.clone()).or_default();
        *sum = sum.checked_add(raw)?;
        Ok(())
    }

    /// Takes up an event of the transaction.
    pub fn take_off(&mut self, event: &LedgerEvent) -> Result<(), WalletsError> {
        self.is_misplaced |= self.place != (event.block, event.block_time, event.status)
            || self.index.is_some_and(|index| event.order.index != Some(index));
        if *event.wallet != *self.wallet.as_str() {
            return Ok(());
        }
        for leg in &event.legs {
            self.add(&leg.asset, leg.raw.opposite())?;
        }
        Ok(())
    }

    /// An asset of which the events do not say what the transaction moves.
    pub fn contradicted(&self) -> Option<&AssetId> {
        self.changes.iter().find(|(_, raw)| !raw.is_zero()).map(|(asset, _)| asset)
    }

    /// Whether an event names another place, block time or status than the transaction has.
    pub fn is_misplaced(&self) -> bool {
        self.is_misplaced
    }
}
