//! The transactions of a wallet, as its ledger has them.

use std::sync::Arc;

use pnl_core::ledger::{LedgerEvent, LedgerLeg, LegSide};
use pnl_core::movement::{Order, TxKind, TxStatus};
use pnl_core::{AssetId, Pin, RawDelta, TxId, WalletRef};
use serde::Serialize;

use super::{LedgerCursor, Wallets, WalletsError};
use crate::stages::replay::{self, lines};

/// One transaction: its events, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransactionView {
    tx_id: TxId,
    block: u64,
    block_time: Option<i64>,
    order: Order,
    kind: TxKind,
    status: TxStatus,
    /// What came in and went out, without fees and rent.
    net: Vec<Moved>,
    /// Network fees and tips that the wallet paid.
    fees: Vec<Moved>,
    /// Refundable deposits.
    rent: Vec<Moved>,
    /// Ids of its events in the ledger.
    events: Vec<Arc<str>>,
}

/// How much of an asset, as the wallet sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Moved {
    asset: AssetId,
    raw: RawDelta,
    decimals: Option<u8>,
}

/// A page of a wallet's transactions.
#[derive(Debug)]
pub struct TransactionPage {
    /// Up to which block the ledger goes.
    pub pin: Pin,
    /// Oldest first.
    pub rows: Vec<TransactionView>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<LedgerCursor>,
}

impl Wallets {
    /// A page of at most `limit` transactions from `after` on; `None` when no ledger of the wallet is stored.
    ///
    /// # Errors
    /// [`WalletsError::CursorExpired`] when the ledger was replaced since; others.
    pub async fn transactions(
        &self,
        wallet: &WalletRef,
        after: Option<LedgerCursor>,
        limit: usize,
    ) -> Result<Option<TransactionPage>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let head = &reader.ledger.head;
        let mut place = reader.place_behind(after)?;
        let mut rows = Vec::new();
        let mut next = None;
        while next.is_none() && place.chunk < head.chunks {
            let chunk = reader.chunk(place.chunk).await?;
            let read = move || read(rows, &chunk, place.row, limit);
            let beyond;
            (rows, beyond) = self.compute(read).await?;
            next = beyond.map(|row| LedgerCursor { row, ..place });
            place = LedgerCursor { chunk: place.chunk + 1, row: 0, ..place };
        }
        Ok(Some(TransactionPage { pin: head.pin, rows, next }))
    }
}

/// Adds the transactions of a chunk from its row `from` on; gives the row of the first one that is beyond `limit`. The
/// events of a transaction stand together in one chunk.
fn read(
    mut rows: Vec<TransactionView>,
    chunk: &[u8],
    from: u32,
    limit: usize,
) -> Result<(Vec<TransactionView>, Option<u32>), WalletsError> {
    for (line, number) in lines(chunk)?.skip(from as usize).zip(from..) {
        let event = replay::event(line)?;
        let is_full = rows.len() == limit;
        match rows.last_mut().filter(|row| row.tx_id == event.tx_id) {
            Some(row) => row.add(event)?,
            None if is_full => return Ok((rows, Some(number))),
            None => rows.push(TransactionView::of(event)?),
        }
    }
    Ok((rows, None))
}

impl TransactionView {
    /// That of its first event.
    fn of(event: LedgerEvent) -> Result<Self, WalletsError> {
        let mut view = Self {
            tx_id: event.tx_id.clone(),
            block: event.block,
            block_time: event.block_time,
            order: event.order,
            kind: event.tx_kind,
            status: event.status,
            net: Vec::new(),
            fees: Vec::new(),
            rent: Vec::new(),
            events: Vec::new(),
        };
        view.add(event)?;
        Ok(view)
    }

    fn add(&mut self, event: LedgerEvent) -> Result<(), WalletsError> {
        self.events.push(event.id);
        for leg in event.legs {
            let moved = match leg.side {
                LegSide::In | LegSide::Out => &mut self.net,
                LegSide::Fee => &mut self.fees,
                LegSide::Rent => &mut self.rent,
            };
            add(moved, leg)?;
        }
        Ok(())
    }
}

/// Adds a leg to what is moved; what comes to nothing is left out.
fn add(moved: &mut Vec<Moved>, leg: LedgerLeg) -> Result<(), WalletsError> {
    let LedgerLeg { asset, raw, decimals, .. } = leg;
    match moved.iter().position(|known| known.asset == asset) {
        Some(place) => {
            moved[place].raw = moved[place].raw.checked_add(raw)?;
            if moved[place].raw.is_zero() {
                moved.remove(place);
            }
        }
        None if raw.is_zero() => {}
        None => moved.push(Moved { asset, raw, decimals }),
    }
    Ok(())
}
