//! Wallets as resources: result, ledger and accounting document of the newest stored ledger.
//!
//! Nothing is fetched here. A stored ledger covers the whole history up to its pin, so any method
//! can be computed from it; its chunks stream through one by one.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use futures::{Stream, StreamExt};
use persistence_layer::ledgers::{self, CurrentLedger};
use persistence_layer::{Store, StoreError};
use pnl_core::document::{EventJson, ExportHead};
use pnl_core::ledger::{LedgerError, LedgerEvent, LedgerRules};
use pnl_core::report::{Coverage, History, ReportError};
use pnl_core::{Chain, Engine, EngineError, Method, Options, Pin, WalletRef};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::attempt::compute;
use crate::pnl_document::PnlDocument;
use crate::stages::replay::{self, ReplayError, lines};

/// Which records come with a wallet's result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    /// Open lots.
    pub lots: bool,
    /// Disposals with their lots.
    pub disposals: bool,
}

/// Why a stored ledger gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WalletsError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The method is not offered, or the history cannot be computed by it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The result does not fit.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A stored event breaks the rules of its form.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What is stored was not written by this program, or a chunk is gone.
    #[error("the stored ledger cannot be read: {0}")]
    Corrupt(String),
    /// The ledger was replaced since the cursor was given.
    #[error("the ledger was replaced by a newer one; begin again without a cursor")]
    CursorExpired,
}

impl From<ReplayError> for WalletsError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Corrupt(detail) => Self::Corrupt(detail),
            ReplayError::Ledger(error) => Self::Ledger(error),
            ReplayError::Engine(error) => Self::Engine(error),
        }
    }
}

impl WalletsError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Report(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Corrupt(_) => "ledger-corrupt",
            Self::CursorExpired => "cursor-expired",
        }
    }
}

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

/// Reads stored ledgers. A cheap clone.
#[derive(Debug, Clone)]
pub struct Wallets {
    store: Store,
    rules: BTreeMap<Chain, LedgerRules>,
}

/// A stored ledger that is being read.
struct Reader {
    store: Store,
    chain: Chain,
    ledger: CurrentLedger,
    history: History,
}

impl Wallets {
    /// Wallets in `store`, with the accounting rules of each chain.
    pub fn new(store: Store, rules: BTreeMap<Chain, LedgerRules>) -> Self {
        Self { store, rules }
    }

    /// The wallet's result by `method` over its full history, with the records asked for and the time
    /// at which its ledger was made (`analyzed_at`), in pieces; `None` when no ledger of it is stored.
    /// The pieces joined are one JSON object.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn pnl(
        &self,
        wallet: &WalletRef,
        method: Method,
        include: Include,
    ) -> Result<Option<impl Stream<Item = Result<String, WalletsError>> + use<>>, WalletsError>
    {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let created_at = reader.ledger.created_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut engine = Engine::new(method, self.options(wallet.chain))?;
        let mut seq = 0;
        for no in 0..reader.ledger.head.chunks {
            let chunk = reader.chunk(no).await?;
            (engine, seq) = compute(move || replay::apply(engine, seq, &chunk)).await?;
        }
        let history = reader.history;
        let (history, outcome) = compute(move || {
            let outcome = engine.finish(Some(&history.prices))?;
            Ok::<_, WalletsError>((history, outcome))
        })
        .await?;
        let closing = serde_json::json!({ "analyzed_at": created_at });
        let document = PnlDocument::new(history, outcome, include, &closing);
        // What can fail fails here, before anything is sent.
        let Some((head, document)) = document.piece().await? else { return Ok(None) };
        let head = futures::stream::once(async move { Ok(head) });
        Ok(Some(head.chain(futures::stream::try_unfold(document, PnlDocument::piece))))
    }

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
        let begin = LedgerCursor { ledger_id: head.ledger_id, chunk: 0, row: 0 };
        let mut place = after.unwrap_or(begin);
        if place.ledger_id != head.ledger_id {
            return Err(WalletsError::CursorExpired);
        }
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
        let options = self.options(wallet.chain);
        let pin = reader.ledger.head.pin;
        let opening = ExportHead {
            method,
            options: &options,
            prices: &reader.history.prices,
            wallet: &wallet.address,
            chain: wallet.chain,
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
        Ok(Some(futures::stream::try_unfold(document, OracleDocument::piece)))
    }

    fn options(&self, chain: Chain) -> Options {
        let quote_assets = self.rules.get(&chain).map(LedgerRules::quote_assets);
        Options::with_quote_assets(quote_assets.unwrap_or_default())
    }

    async fn open(&self, wallet: &WalletRef) -> Result<Option<Reader>, WalletsError> {
        let Some(ledger) = ledgers::current(&self.store, wallet).await? else { return Ok(None) };
        let history = History::deserialize(&ledger.head.context).map_err(corrupt)?;
        Ok(Some(Reader { store: self.store.clone(), chain: wallet.chain, ledger, history }))
    }
}

impl Reader {
    /// The events of one chunk as JSON lines.
    async fn chunk(&self, no: u32) -> Result<Vec<u8>, WalletsError> {
        let chunk = ledgers::chunk(&self.store, self.chain, self.ledger.head.ledger_id, no).await?;
        chunk.ok_or_else(|| WalletsError::Corrupt(format!("chunk {no} is gone")))
    }
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

fn corrupt(error: impl std::fmt::Display) -> WalletsError {
    WalletsError::Corrupt(error.to_string())
}
