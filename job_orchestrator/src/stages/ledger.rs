//! From transactions to priced ledger events: parse, price, book, store, and feed the engine.
//!
//! The history streams through in chunks, in order, from its first transaction on: what stays in
//! memory are the sums of the ledger and the records of the engine. Computing happens on a thread
//! of its own, so that heartbeats are not held up by it.
//!
//! With its chunks a long history stores where its ledger stands. The next attempt goes on behind
//! them: the stored events are replayed into the engine, which is the cheap part, and the result is
//! the one that an uninterrupted attempt would have come to.

use persistence_layer::ledgers::{self, NewChunk};
use persistence_layer::wallet_work::{self, Checkpoint};
use pnl_core::figures::FigureWriter;
use pnl_core::ledger::{LedgerBuilder, LedgerError, LedgerState, PriceTable};
use pnl_core::movement::Note;
use pnl_core::{
    Address, Engine, EngineError, Options, Pin, RawTransaction, TxId, WalletTransaction,
};
use tokio::time::Instant;
use tx_parser::evm::Network;
use uuid::Uuid;

use super::order::Placed;
use super::plan::Plan;
use super::prices;
use super::replay;
use super::{evm, fetch};
use crate::attempt::Attempt;
use crate::compute::compute;
use crate::error::StageError;
use crate::sources::Source;

/// Transactions in one chunk of a ledger.
const CHUNK: usize = 200;
/// A ledger of up to so many assets stores its state with every chunk; a larger state only when
/// [`super::COMMIT_AFTER`] has passed.
const SMALL_STATE: usize = 500;
/// The note of a transaction whose place was decided by its id.
pub(crate) const ORDER_UNCERTAIN: &str = "order_uncertain";

/// The books of a wallet.
#[derive(Debug)]
pub(crate) struct Books {
    /// The ledger's sums and hashes.
    pub builder: LedgerBuilder,
    /// The engine with all events applied.
    pub engine: Engine,
    /// The stored ledger; none of a short history that ends in the past.
    pub stored: Option<StoredLedger>,
    /// The block of the last transaction.
    pub last_block: Option<u64>,
    /// The time of the last event, unix seconds.
    pub last_time: Option<i64>,
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
pub(crate) async fn run(attempt: &Attempt, pin: Pin, plan: &Plan) -> Result<Books, StageError> {
    attempt.take_room(usize::try_from(plan.head.transactions).unwrap_or(usize::MAX))?;
    let maker = attempt.maker();
    let mut books = begin(attempt, pin, plan)?;
    if plan.is_long() && !attempt.is_first() {
        books = resume(attempt, books, &maker).await?;
    }
    let booked = books.builder.facts().transactions;
    let mut kept_at = Instant::now();
    let mut place = 0;
    for no in 0..plan.pages() {
        for chunk in plan.page(attempt, no).await?.chunks(CHUNK) {
            place += chunk.len() as u64;
            // Checkpoints stand at the ends of chunks.
            if place <= booked {
                books.last_block = chunk.last().map(|placed| placed.block);
                continue;
            }
            let (mut more, booked) = book_chunk(attempt, books, chunk).await?;
            let is_over = booked.is_over;
            if let Some(stored) = &mut more.stored {
                let Booked { events, lines, figures, .. } = &booked;
                let new = NewChunk { events: *events, lines, figures };
                let new = (*events > 0).then_some(&new);
                stored.chunks += u32::from(new.is_some());
                stored.events += u64::from(*events);
                // Transactions without events take their time to read, too.
                let small = new.is_some() && more.builder.facts().assets.len() <= SMALL_STATE;
                // Where the history ends inside of a chunk, its next attempt books the chunk anew.
                let is_due = small || kept_at.elapsed() >= super::COMMIT_AFTER;
                if plan.is_long() && !is_over && is_due {
                    keep(attempt, &more, &maker, new).await?;
                    kept_at = Instant::now();
                } else if let Some(new) = new {
                    let (store, lease) = (&attempt.store, &attempt.lease);
                    ledgers::append_chunk(store, lease, stored.id, stored.chunks - 1, new).await?;
                }
            }
            books = more;
            if is_over {
                return Ok(books);
            }
        }
    }
    Ok(books)
}

/// Empty books.
fn begin(attempt: &Attempt, pin: Pin, plan: &Plan) -> Result<Books, StageError> {
    let options = attempt
        .analysis
        .engine_options(Options::with_quote_assets(attempt.rules.quote_assets()))
        .map_err(|error| StageError::uncomputable(error.code(), &error))?;
    // What a window ends at is a time, of which the block does not matter.
    let window =
        attempt.analysis.time_range.resolve(attempt.analysis.end_of_history(pin, None, None));
    // A ledger that ends in the past is not kept, but a long one is stored while it is built.
    let is_kept = attempt.analysis.time_range.end().is_none();
    // A group merges what each attempt has booked, as it was cut.
    let is_stored = is_kept || plan.is_long() || attempt.analysis.group;
    let builder = LedgerBuilder::new(attempt.wallet().clone(), attempt.rules.clone(), window);
    Ok(Books {
        builder: builder.excluding(plan.head.excluded.clone()),
        engine: Engine::new(attempt.analysis.method, options).map_err(StageError::engine)?,
        stored: is_stored.then(|| StoredLedger { id: Uuid::new_v4(), chunks: 0, events: 0 }),
        last_block: None,
        last_time: None,
        events: 0,
    })
}

/// The books as an earlier attempt has left them, or `books` when none has.
async fn resume(attempt: &Attempt, books: Books, maker: &str) -> Result<Books, StageError> {
    let (store, lease) = (&attempt.store, &attempt.lease);
    let checkpoint = wallet_work::resume_ledger(store, lease, maker).await;
    let Some(checkpoint) = checkpoint.map_err(StageError::reading_left_work)? else {
        return Ok(books);
    };
    let state: LedgerState =
        serde_json::from_slice(&checkpoint.state).map_err(|error| StageError::left_work(&error))?;
    let builder =
        books.builder.resume(state).ok_or_else(|| StageError::left_work(&"the state of a hash"))?;
    let Checkpoint { ledger_id, chunks, events, .. } = checkpoint;
    let (mut engine, mut seq) = (books.engine, 0);
    let mut last_time = None;
    for no in 0..chunks {
        let chunk = ledgers::chunk(store, &lease.tenant, attempt.chain(), ledger_id, no).await;
        let chunk = chunk
            .map_err(StageError::reading_left_work)?
            .ok_or_else(|| StageError::left_work(&format!("chunk {no} is gone")))?;
        // The events were applied once: what refuses them now is not what they were.
        (engine, seq, last_time) = compute(move || replay::apply(engine, seq, &chunk))
            .await
            .map_err(|error| StageError::left_work(&error))?;
    }
    tracing::info!(transactions = builder.facts().transactions, "the ledger goes on");
    let stored = Some(StoredLedger { id: ledger_id, chunks, events });
    Ok(Books { builder, engine, stored, last_block: None, last_time, events: seq })
}

/// Stores where the ledger stands, with its last chunk unless that is stored already.
async fn keep(
    attempt: &Attempt,
    books: &Books,
    maker: &str,
    chunk: Option<&NewChunk<'_>>,
) -> Result<(), StageError> {
    let Some(stored) = books.stored else { return Ok(()) };
    let state = serde_json::to_vec(&books.builder.state())
        .map_err(|error| StageError::Storage { detail: error.to_string() })?;
    let checkpoint =
        Checkpoint { ledger_id: stored.id, chunks: stored.chunks, events: stored.events, state };
    let (store, lease) = (&attempt.store, &attempt.lease);
    wallet_work::put_checkpoint(store, lease, maker, &checkpoint, chunk).await?;
    attempt.note_progress(1);
    Ok(())
}

/// The events of some transactions.
struct Booked {
    /// How many.
    events: u32,
    /// As JSON lines.
    lines: Vec<u8>,
    /// As bytes without ids, without those that are excluded.
    figures: Vec<u8>,
    /// Whether the history ends before the last of the transactions.
    is_over: bool,
}

/// Books the next transactions.
async fn book_chunk(
    attempt: &Attempt,
    books: Books,
    placed: &[Placed],
) -> Result<(Books, Booked), StageError> {
    let ids: Vec<TxId> = placed.iter().map(|placed| placed.tx_id.clone()).collect();
    let raw = fetch::stored_again(attempt, &ids).await?;
    let (wallet, placed) = (attempt.wallet().clone(), placed.to_vec());
    let network = match &attempt.source {
        Source::Solana(_) => None,
        Source::Evm(_, network) => Some(*network),
    };
    let mut lines = compute(move || parse(&wallet, network.as_ref(), &placed, &raw)).await?;
    if let Source::Evm(source, _) = &attempt.source {
        evm::tokens::describe(attempt, source.as_ref(), &mut lines).await?;
    }
    // Block times never go back by much: the first transaction behind the moment ends the history.
    let end = attempt.analysis.time_range.end();
    let is_behind = |line: &WalletTransaction| {
        end.is_some_and(|end| end.is_before(line.block, line.block_time))
    };
    let end = lines.iter().position(is_behind);
    let is_over = end.is_some();
    lines.truncate(end.unwrap_or(lines.len()));
    let table = prices::load(attempt, books.builder.price_requests(&lines)).await?;
    compute(move || book(books, &lines, &table, is_over)).await
}

/// Reads the transactions as the wallet sees them, with their resolved places.
fn parse(
    wallet: &Address,
    network: Option<&Network>,
    placed: &[Placed],
    raw: &[RawTransaction],
) -> Result<Vec<WalletTransaction>, StageError> {
    placed
        .iter()
        .zip(raw)
        .map(|(placed, raw)| {
            let line = match network {
                None => tx_parser::solana::parse(&raw.json, wallet),
                Some(network) => evm::fetch::line(raw, placed.no_coins, network, wallet),
            };
            let mut line = line.map_err(|error| StageError::unreadable(&raw.tx_id, &error))?;
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

/// Books the lines.
fn book(
    mut books: Books,
    lines: &[WalletTransaction],
    table: &PriceTable,
    is_over: bool,
) -> Result<(Books, Booked), StageError> {
    let mut text = Vec::new();
    let mut figures = FigureWriter::default();
    let mut count = 0;
    for line in lines {
        books.last_block = Some(line.block);
        for event in books.builder.push(line, table).map_err(StageError::ledger)? {
            serde_json::to_writer(&mut text, &event)
                .map_err(|error| StageError::Storage { detail: error.to_string() })?;
            text.push(b'\n');
            count += 1;
            books.last_time = Some(event.ts);
            if let Some(event) = event.to_event(books.events).map_err(StageError::ledger)? {
                figures
                    .push(&event)
                    .map_err(|error| StageError::uncomputable(error.code(), &error))?;
                books.engine.apply(&event).map_err(StageError::engine)?;
            }
            books.events += 1;
        }
    }
    Ok((books, Booked { events: count, lines: text, figures: figures.finish(), is_over }))
}

impl StageError {
    pub(crate) fn ledger(error: LedgerError) -> Self {
        Self::uncomputable(error.code(), &error)
    }

    pub(crate) fn engine(error: EngineError) -> Self {
        Self::uncomputable(error.code(), &error)
    }
}
