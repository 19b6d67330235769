//! The ledger of a wallet as it is stored: in pages, and as an accounting document.

use futures::Stream;
use pnl_core::document::{EventJson, ExportHead};
use pnl_core::ledger::LedgerEvent;
use pnl_core::report::Coverage;
use pnl_core::{Method, Pin, WalletRef};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Reader, Wallets, WalletsError, corrupt};
use crate::compute::compute;
use crate::stages::replay::{self, lines};

/// Where a page of a ledger ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerCursor {
    /// The ledger.
    pub ledger_id: Uuid,
    /// The chunk of the next event.
    pub chunk: u32,
    /// Its place in the chunk.
    pub row: u32,
}

impl Reader {
    /// Where the page behind `after` begins.
    pub(super) fn place_behind(
        &self,
        after: Option<LedgerCursor>,
    ) -> Result<LedgerCursor, WalletsError> {
        let ledger_id = self.ledger.head.ledger_id;
        let place = after.unwrap_or(LedgerCursor { ledger_id, chunk: 0, row: 0 });
        if place.ledger_id == ledger_id { Ok(place) } else { Err(WalletsError::CursorExpired) }
    }
}

/// A page of a wallet's ledger.
#[derive(Debug)]
pub struct LedgerPage {
    /// Up to which block the ledger goes.
    pub pin: Pin,
    /// What it covers.
    pub coverage: Coverage,
    /// Its events, oldest first, as they are stored.
    pub rows: Vec<Box<RawValue>>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<LedgerCursor>,
}

impl Wallets {
    /// A page of at most `limit` events behind `after`; `None` when no ledger of the wallet is
    /// stored.
    ///
    /// # Errors
    /// [`WalletsError::CursorExpired`] when the ledger was replaced since; others.
    pub async fn ledger_page(
        &self,
        wallet: &WalletRef,
        after: Option<LedgerCursor>,
        limit: usize,
    ) -> Result<Option<LedgerPage>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let head = &reader.ledger.head;
        let mut place = reader.place_behind(after)?;
        let mut rows = Vec::new();
        let mut next = None;
        'chunks: while place.chunk < head.chunks {
            let chunk = reader.chunk(place.chunk).await?;
            for line in lines(&chunk)?.skip(place.row as usize) {
                if rows.len() == limit {
                    next = Some(place);
                    break 'chunks;
                }
                let row = RawValue::from_string(line.to_owned()).map_err(corrupt)?;
                rows.push(row);
                place.row += 1;
            }
            place = LedgerCursor { chunk: place.chunk + 1, row: 0, ..place };
        }
        // As judged when the result was made: the raw record knows of no balances.
        let coverage = serde_json::from_value(head.coverage.clone()).map_err(corrupt)?;
        Ok(Some(LedgerPage { pin: head.pin, coverage, rows, next }))
    }

    /// The wallet's history as an accounting document, in pieces; `None` when no ledger of it is
    /// stored. The pieces joined are one JSON object.
    ///
    /// # Errors
    /// [`WalletsError`]; the pieces can fail too, when the database goes away meanwhile.
    pub async fn oracle_document(
        &self,
        wallet: &WalletRef,
        method: Method,
    ) -> Result<Option<impl Stream<Item = Result<String, WalletsError>> + use<>>, WalletsError>
    {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        oracle_document(reader, method).map(Some)
    }
}

/// What was read as an accounting document, in pieces.
pub(super) fn oracle_document(
    reader: Reader,
    method: Method,
) -> Result<impl Stream<Item = Result<String, WalletsError>> + use<>, WalletsError> {
    let pin = reader.ledger.head.pin;
    let opening = ExportHead {
        method,
        options: &reader.options,
        prices: &reader.history.prices,
        wallet: &reader.history.wallet,
        chain: reader.chain,
        pinned: serde_json::json!({
            "block": pin.block,
            "block_time": pnl_core::time::rfc3339(pin.block_time),
        }),
        input_hash: &reader.history.input_hash,
    }
    .opening()
    .map_err(corrupt)?;
    let document =
        OracleDocument { reader, next: Part::Opening(opening), seq: 0, excluded: Vec::new() };
    Ok(futures::stream::try_unfold(document, OracleDocument::piece))
}

/// An accounting document on its way out.
struct OracleDocument {
    reader: Reader,
    next: Part,
    seq: u64,
    /// Movements that balances contradict; few, if any.
    excluded: Vec<LedgerEvent>,
}

enum Part {
    Opening(String),
    Chunk(u32),
    Done,
}

impl OracleDocument {
    async fn piece(mut self) -> Result<Option<(String, Self)>, WalletsError> {
        let chunks = self.reader.ledger.head.chunks;
        match std::mem::replace(&mut self.next, Part::Done) {
            Part::Opening(text) => {
                self.next = Part::Chunk(0);
                Ok(Some((text, self)))
            }
            Part::Chunk(no) if no < chunks => {
                let chunk = self.reader.chunk(no).await?;
                compute(move || {
                    let text = self.events(&chunk)?;
                    self.next = Part::Chunk(no + 1);
                    Ok(Some((text, self)))
                })
                .await
            }
            Part::Chunk(_) => {
                let text = ExportHead::<()>::closing(&self.excluded).map_err(corrupt)?;
                Ok(Some((text, self)))
            }
            Part::Done => Ok(None),
        }
    }

    fn events(&mut self, chunk: &[u8]) -> Result<String, WalletsError> {
        let mut text = String::new();
        for line in lines(chunk)? {
            let row = replay::event(line)?;
            match row.to_event(self.seq)? {
                Some(event) => {
                    if self.seq > self.excluded.len() as u64 {
                        text.push(',');
                    }
                    text.push_str(
                        &serde_json::to_string(&EventJson::from(&event)).map_err(corrupt)?,
                    );
                }
                None => self.excluded.push(row),
            }
            self.seq += 1;
        }
        Ok(text)
    }
}
