//! Reading a stored ledger from its beginning with an engine, in bounded memory where records are
//! taken on the way.

use std::sync::Arc;

use pnl_core::engine::Records;
use pnl_core::{Engine, Method, Options, Outcome};
use tokio::sync::Semaphore;

use super::{Reader, WalletsError, corrupt};
use crate::attempt::compute;
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
    room: Arc<Semaphore>,
    engine: Engine,
    /// The next chunk.
    chunk: u32,
    /// The number of the next event.
    event: u64,
    /// The number of the first event behind the records that were taken.
    taken: u64,
}

impl Walk {
    /// At the beginning of the ledger. What computes holds a permit of `room`.
    pub fn begin(
        reader: Arc<Reader>,
        room: Arc<Semaphore>,
        method: Method,
        options: Options,
    ) -> Result<Self, WalletsError> {
        let engine = Engine::new(method, options)?;
        Ok(Self { reader, room, engine, chunk: 0, event: 0, taken: 0 })
    }

    /// Reads the next chunk; false at the end.
    pub async fn read(self) -> Result<(Self, bool), WalletsError> {
        if self.chunk >= self.reader.ledger.head.chunks {
            return Ok((self, false));
        }
        let chunk = self.reader.chunk(self.chunk).await?;
        self.compute(move |mut walk| {
            (walk.engine, walk.event) = replay::apply(walk.engine, walk.event, &chunk)?;
            walk.chunk += 1;
            Ok((walk, true))
        })
        .await
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

    /// Ends the history, valued at the pin.
    pub async fn finish(self) -> Result<Outcome, WalletsError> {
        self.compute(|walk| Ok(walk.engine.finish(Some(&walk.reader.history.prices))?)).await
    }

    async fn compute<T: Send + 'static>(
        self,
        work: impl FnOnce(Self) -> Result<T, WalletsError> + Send + 'static,
    ) -> Result<T, WalletsError> {
        let room = Arc::clone(&self.room);
        let _permit = room.acquire().await.map_err(corrupt)?;
        compute(move || work(self)).await
    }
}
