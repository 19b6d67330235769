//! From transactions to priced ledger events: parse, price, book, store, and feed the engine.
//!
//! The history streams through in chunks, in order, from its first transaction on: what stays in
//! memory are the sums of the ledger and the records of the engine. Computing happens on a thread
//! of its own, so that heartbeats are not held up by it.

use persistence_layer::chain_data;
use persistence_layer::ledgers;
use pnl_core::ledger::{LedgerBuilder, LedgerError, PriceTable};
use pnl_core::movement::Note;
use pnl_core::{Address, Engine, EngineError, Options, RawTransaction, TxId, WalletTransaction};
use uuid::Uuid;

use super::history::Ordered;
use super::order::Placed;
use super::prices;
use crate::attempt::{Attempt, compute};
use crate::error::StageError;

/// Transactions in one chunk of a ledger.
const CHUNK: usize = 200;
/// The note of a transaction whose place was decided by its id.
const ORDER_UNCERTAIN: &str = "order_uncertain";

/// The books of a wallet, with everything booked.
#[derive(Debug)]
pub(crate) struct Books {
    /// The ledger's sums and hashes.
    pub builder: LedgerBuilder,
    /// The engine with all events applied.
    pub engine: Engine,
    /// The stored ledger; none of a cut history.
    pub stored: Option<StoredLedger>,
    events: u64,
}

/// Where the events of the ledger are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredLedger {
    /// Its id.
    pub id: Uuid,
    /// Chunks, numbered from 0.
    pub chunks: u32,
    /// Events in all of them.
    pub events: u64,
}

/// Books the whole history.
pub(crate) async fn run(attempt: &Attempt, ordered: &Ordered) -> Result<Books, StageError> {
    let options = attempt
        .analysis
        .engine_options(Options::with_quote_assets(attempt.rules.quote_assets()))
        .map_err(|error| StageError::permanent(error.code(), &error))?;
    let mut books = Books {
        builder: LedgerBuilder::new(attempt.wallet().clone(), attempt.rules.clone()),
        engine: Engine::new(attempt.analysis.method, options).map_err(StageError::engine)?,
        // A cut ledger would answer for the wallet's whole history.
        stored: ordered.cut.is_none().then(|| StoredLedger {
            id: Uuid::new_v4(),
            chunks: 0,
            events: 0,
        }),
        events: 0,
    };
    for chunk in ordered.placed.chunks(CHUNK) {
        let ids: Vec<TxId> = chunk.iter().map(|placed| placed.tx_id.clone()).collect();
        let raw = chain_data::transactions(&attempt.store, attempt.chain(), &ids).await?;
        let (wallet, chunk) = (attempt.wallet().clone(), chunk.to_vec());
        let lines = compute(move || parse(&wallet, &chunk, &raw)).await?;
        let table = prices::load(attempt, books.builder.price_requests(&lines)).await?;
        let (kept, payload, events) = compute(move || book(books, &lines, &table)).await?;
        books = kept;
        if let Some(stored) = &mut books.stored
            && events > 0
        {
            ledgers::append_chunk(
                &attempt.store,
                &attempt.lease,
                stored.id,
                stored.chunks,
                events,
                &payload,
            )
            .await?;
            stored.chunks += 1;
            stored.events += u64::from(events);
        }
    }
    Ok(books)
}

/// Reads the transactions as the wallet sees them, with their resolved places.
fn parse(
    wallet: &Address,
    placed: &[Placed],
    raw: &[RawTransaction],
) -> Result<Vec<WalletTransaction>, StageError> {
    placed
        .iter()
        .zip(raw)
        .map(|(placed, raw)| {
            let mut line = tx_parser::solana::parse(&raw.json, wallet)
                .map_err(|error| StageError::unreadable(&raw.tx_id, &error))?;
            line.order.index = Some(placed.index);
            if placed.uncertain {
                line.notes.push(Note {
                    code: ORDER_UNCERTAIN.to_owned(),
                    detail: "the chain endpoint leaves its order inside the block open; decided \
                             by the bytes of the transaction id"
                        .to_owned(),
                });
            }
            Ok(line)
        })
        .collect()
}

/// Books the lines; gives their events as JSON lines, and how many they are.
fn book(
    mut books: Books,
    lines: &[WalletTransaction],
    table: &PriceTable,
) -> Result<(Books, Vec<u8>, u32), StageError> {
    let mut payload = Vec::new();
    let mut count = 0;
    for line in lines {
        for event in books.builder.push(line, table).map_err(StageError::ledger)? {
            serde_json::to_writer(&mut payload, &event)
                .map_err(|error| StageError::Storage { detail: error.to_string() })?;
            payload.push(b'\n');
            count += 1;
            if let Some(event) = event.to_event(books.events).map_err(StageError::ledger)? {
                books.engine.apply(&event).map_err(StageError::engine)?;
            }
            books.events += 1;
        }
    }
    Ok((books, payload, count))
}

impl StageError {
    fn ledger(error: LedgerError) -> Self {
        Self::permanent(error.code(), &error)
    }

    pub(crate) fn engine(error: EngineError) -> Self {
        Self::permanent(error.code(), &error)
    }
}
