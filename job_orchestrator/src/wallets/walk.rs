//! Reading a stored ledger from its beginning with an engine, in bounded memory where records are
//! taken on the way.

use std::sync::Arc;

use pnl_core::engine::Records;
use pnl_core::report::{History, ReportInput};
use pnl_core::{AmountError, Engine, Outcome, Pin, Window};

use super::capacity::Held;
use super::past::{Noted, PastEnd};
use super::{Reader, View, WalletsError};
use crate::request::HistoryEnd;
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
    engine: Engine,
    /// The next chunk.
    chunk: u32,
    /// Its lines, if they are here.
    ahead: Option<Vec<u8>>,
    /// The number of the next event.
    event: u64,
    /// The number of the first event behind the records that were taken.
    taken: u64,
    /// Where it ends, if not with the ledger.
    end: Option<PastEnd>,
    /// What is counted.
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
    /// The history of a view: the whole one, or what was noted of it up to `end`.
    pub(super) fn history_of(
        &self,
        noted: Option<Noted>,
        end: Option<PastEnd>,
    ) -> Result<History, AmountError> {
        match (noted, end) {
            (Some(noted), Some(end)) => noted.history(&self.history, end),
            _ => Ok(self.history.clone()),
        }
    }

    /// Where the ledger is read to, if not to its end.
    pub(super) async fn past_end(&self, view: View) -> Result<Option<PastEnd>, WalletsError> {
        let pin = self.ledger.head.pin;
        let Some(end) = view.time_range.end() else { return Ok(None) };
        let time = match end {
            HistoryEnd::Moment(time) if time > pin.block_time => {
                return Err(WalletsError::BehindPin { pin: pin.block_time });
            }
            HistoryEnd::Moment(time) => time,
            HistoryEnd::Block(block) if block > pin.block => {
                return Err(WalletsError::BlockBehindPin { pin: pin.block });
            }
            HistoryEnd::Block(block) if block == pin.block => return Ok(None),
            HistoryEnd::Block(block) => self.last_time(block).await?.unwrap_or(0),
        };
        Ok(Some(PastEnd { end, time }))
    }

    /// The time of the last event up to `block`, from as few chunks as can be.
    async fn last_time(&self, block: u64) -> Result<Option<i64>, WalletsError> {
        // Chunks before `begun` begin up to the block, those from `behind` on behind it.
        let (mut begun, mut behind) = (0, self.ledger.head.chunks);
        let mut last = None;
        while begun < behind {
            let middle = begun + (behind - begun) / 2;
            let chunk = self.chunk(middle).await?;
            let up_to = self.capacity.compute(move || last_time_in(&chunk, block)).await?;
            if up_to.is_some() {
                (begun, last) = (middle + 1, up_to);
            } else {
                behind = middle;
            }
        }
        Ok(last)
    }
}

/// The time of the last event of a chunk up to `block`.
fn last_time_in(chunk: &[u8], block: u64) -> Result<Option<i64>, WalletsError> {
    let mut up_to = None;
    for line in replay::lines(chunk)? {
        let event = replay::event(line)?;
        if event.block > block {
            break;
        }
        up_to = Some(event.ts);
    }
    Ok(up_to)
}

impl Walk {
    /// At the beginning of the ledger.
    pub async fn begin(reader: Arc<Reader>, view: View) -> Result<Self, WalletsError> {
        let engine = Engine::new(view.method, reader.options.clone())?;
        let pin = reader.ledger.head.pin;
        let end = reader.past_end(view).await?;
        let block_time = end.map_or(pin.block_time, |end| end.time);
        let window = view.time_range.resolve(Pin { block_time, ..pin });
        let is_whole = end.is_none() && window == Window::ALL;
        let noted = (!is_whole).then(Noted::default);
        Ok(Self { reader, engine, chunk: 0, ahead: None, event: 0, taken: 0, end, window, noted })
    }

    /// What a curve is drawn by: the engine, what is to be noted of a part of the ledger, and where that ends.
    pub fn into_parts(self) -> (Engine, Option<Noted>, Option<PastEnd>) {
        (self.engine, self.noted, self.end)
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
            if self.end.is_some_and(|end| end.is_before(&row)) {
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
            let Self { reader, engine, window, end, noted, .. } = walk;
            let transactions = match &noted {
                Some(noted) => noted.in_window,
                None => reader.history.facts.transactions,
            };
            let history = reader.history_of(noted, end)?;
            let outcome = engine.finish(Some(&history.prices))?;
            Ok(Ended { history, outcome, window, transactions, _held: None })
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce(Self) -> Result<T, WalletsError> + Send + 'static,
    ) -> Result<T, WalletsError> {
        let reader = Arc::clone(&self.reader);
        reader.capacity.compute(move || work(self)).await
    }
}

/// The lines of chunk number `no`; `None` behind the last one.
async fn chunk(reader: &Reader, no: u32) -> Result<Option<Vec<u8>>, WalletsError> {
    if no < reader.ledger.head.chunks { reader.chunk(no).await.map(Some) } else { Ok(None) }
}
