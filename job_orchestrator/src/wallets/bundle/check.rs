//! A transaction that was read again, beside its events.

use std::collections::BTreeMap;

use pnl_core::ledger::LedgerEvent;
use pnl_core::{Address, AssetId, RawDelta, TxId, TxStatus, WalletTransaction};

use super::WalletsError;

/// What a transaction did, less what its events say.
pub(super) struct Check {
    pub tx_id: TxId,
    wallet: Address,
    changes: BTreeMap<AssetId, RawDelta>,
    place: (u64, Option<i64>, TxStatus),
    is_misplaced: bool,
}

impl Check {
    pub fn of(
        tx_id: TxId,
        wallet: &Address,
        parsed: &WalletTransaction,
    ) -> Result<Self, WalletsError> {
        let mut check = Self {
            tx_id,
            wallet: wallet.clone(),
            changes: BTreeMap::new(),
            place: (parsed.block, parsed.block_time, parsed.status),
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
        self.is_misplaced |= self.place != (event.block, event.block_time, event.status);
        if *event.wallet != *self.wallet.as_str() {
            return Ok(());
        }
        for leg in &event.legs {
            self.add(&leg.asset, leg.raw.opposite())?;
        }
        Ok(())
    }

    /// Whether the events do not say what the transaction does.
    pub fn is_contradicted(&self) -> bool {
        self.changes.values().any(|raw| !raw.is_zero())
    }

    /// Whether an event names another block, block time or status than the transaction has.
    pub fn is_misplaced(&self) -> bool {
        self.is_misplaced
    }
}
