//! A group, when the last of its wallets has ended: their ledgers merged, computed and stored.
//!
//! The ledgers stream side by side, block by block, so that of each about a chunk is in memory; what
//! grows with the group are the records of the engine, as for a wallet. An attempt that ends early
//! leaves nothing to the next one: merging is the cheap part of what the wallets cost.

use std::collections::{BTreeMap, VecDeque};

use persistence_layer::groups;
use persistence_layer::ledgers::{self, CurrentLedger, LedgerHead, LedgerStays, NewChunk};
use persistence_layer::wallet_tasks::{FinishedWallet, TaskState};
use pnl_core::figures::FigureWriter;
use pnl_core::group::{GroupBuilder, GroupReport};
use pnl_core::ledger::LedgerEvent;
use pnl_core::report::History;
use pnl_core::{Address, AmountError, Engine, Options, Pin};
use serde::Deserialize;
use uuid::Uuid;

use super::replay;
use crate::attempt::Attempt;
use crate::compute::compute;
use crate::error::StageError;

/// Events of all ledgers of a group together; more of them do not fit into the time of an attempt.
const MOST_EVENTS: u64 = 1_000_000;
/// Events in one chunk of the merged ledger, at least but for the last.
const CHUNK: u32 = 1_000;

/// A wallet's ledger that is being read.
struct Source {
    ledger: CurrentLedger,
    next_chunk: u32,
    /// Read and not merged yet.
    events: VecDeque<LedgerEvent>,
}

/// Events by block, and in it by the number of the wallet.
type Blocks = BTreeMap<u64, Vec<(usize, Vec<LedgerEvent>)>>;

/// The merged ledger while it grows.
struct Merged {
    builder: GroupBuilder,
    engine: Engine,
    seq: u64,
    /// The chunk that is being filled.
    lines: Vec<u8>,
    figures: FigureWriter,
    events: u32,
}

/// Makes the result of the group, and whether all of its wallets are done.
pub(crate) async fn run(attempt: &Attempt) -> Result<(FinishedWallet, bool), StageError> {
    let (store, batch) = (&attempt.store, attempt.lease.batch);
    let tenant = &attempt.lease.tenant;
    let members = groups::members(store, batch).await?;
    if members.iter().any(|member| !member.state.is_terminal()) {
        return Err(StageError::GroupOpen);
    }
    let mut sources = Vec::new();
    let mut missing = Vec::new();
    for member in &members {
        match groups::ledger(store, tenant, batch, attempt.chain(), &member.wallet).await? {
            Some(ledger) if member.state == TaskState::Done => {
                sources.push(Source { ledger, next_chunk: 0, events: VecDeque::new() });
            }
            _ => {
                let why = member.error_code.as_deref().unwrap_or(member.state.as_str());
                missing.push(format!("wallet {}: {why}", member.wallet));
            }
        }
    }
    let events: u64 = sources.iter().map(|source| source.ledger.head.events).sum();
    if events > MOST_EVENTS {
        let detail = format!("the wallets have {events} events, more than {MOST_EVENTS}");
        return Err(StageError::uncomputable("group-too-large", &detail));
    }
    attempt.take_room(usize::try_from(events).unwrap_or(usize::MAX))?;
    let Some(pin) = sources.iter().map(|source| source.ledger.head.pin).max_by_key(|pin| pin.block)
    else {
        let detail = "none of its wallets has a result";
        return Err(StageError::uncomputable("group-without-wallets", &detail));
    };
    let (merged, stored) = merge(attempt, pin, sources).await?;
    let finished = finish(attempt, pin, merged, stored, missing.clone()).await?;
    Ok((finished, missing.is_empty()))
}

/// Merges the ledgers and stores the events; gives the id of the merged one and the number of its chunks.
async fn merge(
    attempt: &Attempt,
    pin: Pin,
    mut sources: Vec<Source>,
) -> Result<(Merged, (Uuid, u32)), StageError> {
    let options = attempt
        .analysis
        .engine_options(Options::with_quote_assets(attempt.rules.quote_assets()))
        .map_err(|error| StageError::uncomputable(error.code(), &error))?;
    let window = attempt.analysis.time_range.resolve(pin);
    let histories = sources
        .iter()
        .map(|source| History::deserialize(&source.ledger.head.context).map_err(unreadable))
        .collect::<Result<Vec<_>, _>>()?;
    // The builder and this list are both in the order of the addresses.
    let mut order: Vec<(Address, Source)> =
        histories.iter().map(|history| history.wallet.clone()).zip(sources).collect();
    order.sort_by(|(a, _), (b, _)| a.cmp(b));
    sources = order.into_iter().map(|(_, source)| source).collect();
    let mut merged = Merged {
        builder: GroupBuilder::new(histories, window),
        engine: Engine::new(attempt.analysis.method, options).map_err(StageError::engine)?,
        seq: 0,
        lines: Vec::new(),
        figures: FigureWriter::default(),
        events: 0,
    };
    let (ledger_id, mut chunks) = (Uuid::new_v4(), 0);
    let mut behind = Some(0);
    while let Some(block) = behind {
        for source in &mut sources {
            source.read_behind(attempt, block).await?;
        }
        // Of a ledger that goes on, its last block may go on as well.
        let going_on = sources.iter().filter(|source| source.goes_on());
        behind = going_on.filter_map(|source| Some(source.events.back()?.block)).min();
        let mut blocks: Blocks = BTreeMap::new();
        for (number, source) in sources.iter_mut().enumerate() {
            source.take_before(behind, number, &mut blocks);
        }
        merged = compute(move || merged.take(blocks)).await?;
        let is_due = merged.events >= CHUNK || behind.is_none();
        if is_due && merged.events > 0 {
            let events = std::mem::take(&mut merged.events);
            let lines = std::mem::take(&mut merged.lines);
            let figures = std::mem::take(&mut merged.figures).finish();
            let new = NewChunk { events, lines: &lines, figures: &figures };
            ledgers::append_chunk(&attempt.store, &attempt.lease, ledger_id, chunks, &new).await?;
            chunks += 1;
        }
    }
    Ok((merged, (ledger_id, chunks)))
}

impl Source {
    /// Whether there is more of it than was read.
    fn goes_on(&self) -> bool {
        self.next_chunk < self.ledger.head.chunks
    }

    /// Reads the next chunk unless what was read reaches behind `block`.
    async fn read_behind(&mut self, attempt: &Attempt, block: u64) -> Result<(), StageError> {
        let reaches = self.events.back().is_some_and(|event| event.block > block);
        if reaches || !self.goes_on() {
            return Ok(());
        }
        let (id, no) = (self.ledger.head.ledger_id, self.next_chunk);
        let (store, tenant) = (&attempt.store, &attempt.lease.tenant);
        let chunk = ledgers::chunk(store, tenant, attempt.chain(), id, no)
            .await?
            .ok_or_else(|| unreadable(format!("chunk {no} of ledger {id} is gone")))?;
        let events = compute(move || {
            let lines = replay::lines(&chunk)?;
            lines.map(replay::event).collect::<Result<Vec<_>, _>>()
        });
        self.events.extend(events.await.map_err(unreadable)?);
        self.next_chunk += 1;
        Ok(())
    }

    /// Hands over the events before `block`, or all.
    fn take_before(&mut self, block: Option<u64>, number: usize, blocks: &mut Blocks) {
        let is_before = |event: &mut LedgerEvent| block.is_none_or(|block| event.block < block);
        while let Some(event) = self.events.pop_front_if(is_before) {
            let of_block = blocks.entry(event.block).or_default();
            match of_block.last_mut() {
                Some((last, events)) if *last == number => events.push(event),
                _ => of_block.push((number, vec![event])),
            }
        }
    }
}

impl Merged {
    /// Takes the next blocks.
    fn take(mut self, blocks: Blocks) -> Result<Self, StageError> {
        let amount = |error: AmountError| StageError::uncomputable("amount-out-of-range", &error);
        for block in blocks.into_values() {
            for event in self.builder.push(block).map_err(amount)? {
                serde_json::to_writer(&mut self.lines, &event).map_err(unstorable)?;
                self.lines.push(b'\n');
                self.events += 1;
                if let Some(event) = event.to_event(self.seq).map_err(StageError::ledger)? {
                    self.figures
                        .push(&event)
                        .map_err(|error| StageError::uncomputable(error.code(), &error))?;
                    self.engine.apply(&event).map_err(StageError::engine)?;
                }
                self.seq += 1;
            }
        }
        Ok(self)
    }
}

/// The result of the merged ledger.
async fn finish(
    attempt: &Attempt,
    pin: Pin,
    merged: Merged,
    stored: (Uuid, u32),
    missing: Vec<String>,
) -> Result<FinishedWallet, StageError> {
    let window = attempt.analysis.time_range.resolve(pin);
    let name = attempt.lease.wallet.clone();
    compute(move || {
        let Merged { builder, engine, seq, .. } = merged;
        let group = builder.finish(&name, pin, &missing);
        let group =
            group.map_err(|error| StageError::uncomputable("amount-out-of-range", &error))?;
        let outcome = engine.finish(Some(&group.history.prices)).map_err(StageError::engine)?;
        let report = group
            .report(&outcome, window)
            .map_err(|error| StageError::uncomputable(error.code(), &error))?;
        let report_json = serde_json::to_string(&report).map_err(unstorable)?;
        let GroupReport { report, .. } = report;
        let ledger = LedgerHead {
            ledger_id: stored.0,
            pin,
            input_hash: group.history.input_hash.clone(),
            price_set_hash: group.history.price_set_hash.clone(),
            coverage: serde_json::to_value(&report.coverage).map_err(unstorable)?,
            chunks: stored.1,
            events: seq,
            context: serde_json::to_value(&group.history).map_err(unstorable)?,
        };
        Ok(FinishedWallet {
            ledger: Some(ledger),
            ledger_stays: LedgerStays::Current,
            report_json,
            summary: super::finish::summary(&report, pin, false),
            calls: serde_json::json!({}),
        })
    })
    .await
}

fn unreadable(error: impl std::fmt::Display) -> StageError {
    StageError::Storage { detail: format!("a ledger of the group cannot be read: {error}") }
}

fn unstorable(error: serde_json::Error) -> StageError {
    StageError::Storage { detail: error.to_string() }
}
