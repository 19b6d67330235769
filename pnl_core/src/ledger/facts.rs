//! What a history amounts to beside its events: sums, counts and what a reader should know.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::doubts::{Doubt, DoubtfulTransaction, Doubts};
use super::event::{LedgerEvent, LegSide};
use super::flows::AssetFlows;
use crate::amount::{AmountError, RawAmount, RawDelta};
use crate::asset::AssetId;
use crate::chain::TxId;
use crate::movement::WalletTransaction;

/// Sums over a wallet's whole history. Stored beside the ledger; a report needs both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryFacts {
    /// Transactions of the wallet, failed ones included, also those without any event.
    pub transactions: u64,
    /// Failed ones among them.
    pub failed: u64,
    /// Per asset that ever moved.
    pub assets: BTreeMap<AssetId, AssetFacts>,
    /// Native base units in the pool of rent deposits.
    pub rent_pool: RawAmount,
    /// Movements that the parser saw but could not attribute, summed per asset. In no event.
    pub unexplained: BTreeMap<AssetId, RawDelta>,
    /// Transactions that have such a movement.
    pub unexplained_transactions: u64,
    /// Transactions of which not all native movements are known.
    pub incomplete_native: u64,
    /// Transactions of which not the whole fee is known.
    pub incomplete_fee: u64,
    /// Transactions without a block time.
    pub missing_block_time: u64,
    /// Legs whose market value is beyond any money and therefore counts as unknown.
    pub absurd_values: u64,
    /// Legs whose transaction names other decimals than the first movement of the asset did.
    pub differing_decimals: u64,
    /// The notes of all lines, by code: how many transactions have one.
    pub notes: BTreeMap<String, u64>,
    /// Transactions whose movements are not, or not all, in the accounts, by asset; `None` where they are not
    /// noted: by a version before, or of a history that is known by its events alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubts: Option<BTreeMap<AssetId, Doubts>>,
}

/// Sums over one asset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetFacts {
    /// Decimals, as the first movement of the asset names them; `None` = unknown.
    pub decimals: Option<u8>,
    /// Sum of all movements of the wallet, rent and fees included, excluded ones not. Base units.
    pub raw: RawDelta,
    /// What the lots of the wallet hold: movements out beyond the known history take nothing.
    pub held: RawAmount,
    /// Came in unsigned and unpriced.
    pub unsolicited: bool,
    /// Came back without its basis: how much in all, base units.
    pub basis_reset: RawAmount,
    /// In how many events it did.
    pub basis_reset_events: u64,
    /// What moved by direction, and its price peaks; `None` in what a version has stored that did not
    /// note them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<AssetFlows>,
}

impl HistoryFacts {
    /// Those of a history at its beginning, with all that can be noted.
    pub fn noting_doubts() -> Self {
        Self { doubts: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Takes up what the line says about itself.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn add_line(&mut self, tx: &WalletTransaction) -> Result<(), AmountError> {
        self.transactions += 1;
        self.failed += u64::from(tx.status == crate::movement::TxStatus::Failed);
        self.incomplete_native += u64::from(!tx.complete.native);
        self.incomplete_fee += u64::from(!tx.complete.fee);
        self.missing_block_time += u64::from(tx.block_time.is_none());
        self.unexplained_transactions += u64::from(!tx.unexplained.is_empty());
        for rest in &tx.unexplained {
            let sum = self.unexplained.entry(rest.asset.clone()).or_default();
            *sum = sum.checked_add(rest.raw)?;
            self.doubt(&rest.asset, &tx.tx_id, tx.block, Doubt::Unattributed, Some(rest.raw));
        }
        let native = AssetId::native();
        if !tx.complete.native {
            self.doubt(&native, &tx.tx_id, tx.block, Doubt::NativeIncomplete, None);
        }
        if !tx.complete.fee {
            self.doubt(&native, &tx.tx_id, tx.block, Doubt::FeeIncomplete, None);
        }
        for asset in &tx.too_large {
            self.doubt(asset, &tx.tx_id, tx.block, Doubt::TooLarge, None);
        }
        let codes: BTreeSet<&str> = tx.notes.iter().map(|note| note.code.as_str()).collect();
        for code in codes {
            *self.notes.entry(code.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    /// Takes up the movements of an event.
    ///
    /// # Errors
    /// [`AmountError::Overflow`].
    pub fn add_event(&mut self, event: &LedgerEvent) -> Result<(), AmountError> {
        if event.excluded {
            for leg in &event.legs {
                self.doubt(&leg.asset, &event.tx_id, event.block, Doubt::Excluded, Some(leg.raw));
            }
            return Ok(());
        }
        if let Some(raw) = event.pool_raw {
            self.rent_pool = moved(self.rent_pool, raw)?;
        }
        for leg in &event.legs {
            let facts = self.assets.entry(leg.asset.clone()).or_default();
            facts.raw = facts.raw.checked_add(leg.raw)?;
            let uncovered = uncovered(facts.held, leg.raw)?;
            facts.held = moved(facts.held, leg.raw)?;
            facts.flows.get_or_insert_default().add(leg, event.ts)?;
            if leg.side == LegSide::In {
                facts.unsolicited |= event.unsolicited;
                if event.basis_reset {
                    facts.basis_reset = facts.basis_reset.checked_add(leg.raw.magnitude())?;
                    facts.basis_reset_events += 1;
                }
            }
            // What came in and could not be attributed may be what leaves.
            if !uncovered.is_zero() && !self.unexplained.contains_key(&leg.asset) {
                let raw = Some(uncovered.into_delta());
                self.doubt(&leg.asset, &event.tx_id, event.block, Doubt::Uncovered, raw);
            }
        }
        Ok(())
    }

    fn doubt(
        &mut self,
        asset: &AssetId,
        tx_id: &TxId,
        block: u64,
        why: Doubt,
        raw: Option<RawDelta>,
    ) {
        let Some(doubts) = &mut self.doubts else { return };
        let doubtful = DoubtfulTransaction { tx_id: tx_id.clone(), block, why, raw };
        doubts.entry(asset.clone()).or_default().add(doubtful);
    }
}

/// How much more a movement takes than is held.
fn uncovered(held: RawAmount, raw: RawDelta) -> Result<RawAmount, AmountError> {
    let taken = if raw.is_negative() { raw.magnitude() } else { RawAmount::ZERO };
    taken.checked_sub(taken.min(held))
}

/// A holding after a movement; what leaves beyond it leaves from nowhere.
pub(crate) fn moved(held: RawAmount, raw: RawDelta) -> Result<RawAmount, AmountError> {
    if raw.is_negative() {
        let taken = raw.magnitude().min(held);
        return held.checked_sub(taken);
    }
    held.checked_add(raw.magnitude())
}
