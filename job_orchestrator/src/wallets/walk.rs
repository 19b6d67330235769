//! Reading a stored ledger from its beginning with an engine, in bounded memory where records are
//! taken on the way.

use std::sync::Arc;

use pnl_core::engine::Records;
use pnl_core::report::{History, ReportInput};
use pnl_core::{AmountError, Engine, Outcome, Pin, Window};

use super::capacity::{Capacity, Held};
use super::past::Noted;
use super::{Reader, View, WalletsError};
use crate::stages::replay;

/// Events between two takings of the records, at least.
const SPAN: u64 = 5_000;

/// Taking the records costs as much as there are open lots, of which there may be as many as there
/// were events: a span is at least this part of all events so far.
const PART: u64 = 8;

/// A ledger that is being read.
#[derive(Debug)]
pub(super) struct Walk {
    reader: Arc<Reader>,
    capacity: Capacity,
    engine: Engine,
    /// The next chunk.
    chunk: u32,
    /// Its lines, if they are here.
    ahead: Option<Vec<u8>>,
    /// The number of the next event.
    event: u64,
    /// The number of the first event behind the records that were taken.
    taken: u64,
    /// The last second that is read, and what is counted.
    as_of: Option<i64>,
    window: Window,
    /// Of a view that is not all of the ledger.
    noted: Option<Noted>,
}

/// A history that was read to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub history: History,
    pub outcome: Outcome,
    pub window: Window,
    /// Transactions in the window; of a part of the ledger those with an event.
    pub transactions: u64,
    /// Room for the records, where all of them are here.
    _held: Option<Held>,
}

impl Ended {
    /// With the room for its records, given back with them.
    pub fn holding(self, held: Held) -> Self {
        Self { _held: Some(held), ..self }
    }

    /// What a report is made of.
    pub fn input(&self) -> ReportInput<'_> {
        ReportInput {
            history: &self.history,
            outcome: &self.outcome,
            window: self.window,
            transactions: self.transactions,
        }
    }
}

impl Reader {
    /// The history of a view: the whole one, or what was noted of it up to `as_of`.
    pub(super) fn history_of(
        &self,
        noted: Option<Noted>,
        as_of: Option<i64>,
    ) -> Result<History, AmountError> {
        match (noted, as_of) {
            (Some(noted), Some(as_of)) => noted.history(&self.history, as_of),
            _ => Ok(self.history.clone()),
        }
    }
}

impl Walk {
    /// At the beginning of the ledger.
    pub fn begin(
        reader: Arc<Reader>,
        capacity: Capacity,
        view: View,
    ) -> Result<Self, WalletsError> {
        let engine = Engine::new(view.method, reader.options.clone())?;
        let pin = reader.ledger.head.pin;
        let as_of = view.time_range.as_of();
        if as_of.is_some_and(|as_of| as_of > pin.block_time) {
            return Err(WalletsError::BehindPin { pin: pin.block_time });
        }
        let end = Pin { block_time: as_of.unwrap_or(pin.block_time), ..pin };
        let window = view.time_range.resolve(end);
        let is_whole = as_of.is_none() && window == Window::ALL;
        let noted = (!is_whole).then(Noted::default);
        Ok(Self {
            reader,
            capacity,
            engine,
            chunk: 0,
            ahead: None,
            event: 0,
            taken: 0,
            as_of,
            window,
            noted,
        })
    }

    /// What a curve is drawn by: the engine, and what is to be noted of a part of the ledger.
    pub fn into_parts(self) -> (Engine, Option<Noted>) {
        (self.engine, self.noted)
    }

    /// What is counted.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Reads the next chunk; false at the end.
    pub async fn read(mut self) -> Result<(Self, bool), WalletsError> {
        let chunk = match self.ahead.take() {
            Some(chunk) => chunk,
            None => match chunk(&self.reader, self.chunk).await? {
                Some(chunk) => chunk,
                None => return Ok((self, false)),
            },
        };
        self.chunk += 1;
        // A chunk takes about as long to be fetched as to be computed.
        let reader = Arc::clone(&self.reader);
        let fetched = self::chunk(&reader, self.chunk);
        let computed = self.compute(move |mut walk| {
            let is_more = walk.apply(&chunk)?;
            Ok((walk, is_more))
        });
        let (computed, fetched) = futures::join!(computed, fetched);
        let (mut walk, is_more) = computed?;
        if is_more {
            walk.ahead = fetched?;
        }
        Ok((walk, is_more))
    }

    /// Applies a chunk; false when the history ends inside of it.
    fn apply(&mut self, chunk: &[u8]) -> Result<bool, WalletsError> {
        for line in replay::lines(chunk)? {
            let row = replay::event(line)?;
            if self.as_of.is_some_and(|as_of| row.ts > as_of) {
                return Ok(false);
            }
            if let Some(noted) = &mut self.noted {
                noted.take_up(&row, &self.window)?;
            }
            if let Some(event) = row.to_event(self.event)? {
                self.engine.apply(&event)?;
            }
            self.event += 1;
        }
        Ok(true)
    }

    /// Reads on until some records are together and takes them; `None` at the end.
    pub async fn records(mut self) -> Result<(Self, Option<Records>), WalletsError> {
        let mut is_more = true;
        while is_more && self.event - self.taken < SPAN.max(self.event / PART) {
            (self, is_more) = self.read().await?;
        }
        if self.taken == self.event {
            return Ok((self, None));
        }
        self.compute(|mut walk| {
            walk.taken = walk.event;
            let records = walk.engine.take_records();
            Ok((walk, Some(records)))
        })
        .await
    }

    /// Ends the history, valued at its end.
    pub async fn finish(self) -> Result<Ended, WalletsError> {
        self.compute(|walk| {
            let Self { reader, engine, window, as_of, noted, .. } = walk;
            let transactions = match &noted {
                Some(noted) => noted.in_window,
                None => reader.history.facts.transactions,
            };
            let history = reader.history_of(noted, as_of)?;
            let outcome = engine.finish(Some(&history.prices))?;
            Ok(Ended { history, outcome, window, transactions, _held: None })
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce(Self) -> Result<T, WalletsError> + Send + 'static,
    ) -> Result<T, WalletsError> {
        let capacity = self.capacity.clone();
        capacity.compute(move || work(self)).await
    }
}

/// The lines of chunk number `no`; `None` behind the last one.
async fn chunk(reader: &Reader, no: u32) -> Result<Option<Vec<u8>>, WalletsError> {
    if no < reader.ledger.head.chunks { reader.chunk(no).await.map(Some) } else { Ok(None) }
}
