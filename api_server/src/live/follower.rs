//! One client that follows a job: every event once and in order, whatever it took to read them.
//!
//! A follower takes what is told in its process as long as that follows on what it has, and reads the
//! log by itself where it does not: at the beginning, and when it was slower than the others. So it
//! holds at most one page of the log, however slow its client is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use persistence_layer::job_events::{self, Kind, Number};
use tokio::sync::broadcast::{self, error::RecvError};

use super::feed::{Feed, Piece, Shot};
use super::message::Message;
use super::{Live, Place};

/// Events that are read from the log at a time.
const PAGE: u32 = 100;

/// Wait before the log is read again that could not be read.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The job is over.
    Over,
    /// The process stops; another one goes on behind the last event.
    Stopping,
    /// The key of the client has expired or was revoked.
    KeyGone,
}

/// A client's way through the events of a job.
pub struct Follower {
    live: Live,
    feed: Arc<Feed>,
    pieces: broadcast::Receiver<Arc<Piece>>,
    shot: Arc<Shot>,
    /// The last event that is sent or in `ready`.
    last: Number,
    ready: VecDeque<Message>,
    /// Whether everything up to the next piece was read.
    is_up_to_date: bool,
    /// Whether the job is over with `last`.
    is_end: bool,
    place: Place,
}

impl Follower {
    pub(super) fn new(
        live: Live,
        feed: Arc<Feed>,
        pieces: broadcast::Receiver<Arc<Piece>>,
        shot: Arc<Shot>,
        after: Option<Number>,
        place: Place,
    ) -> Self {
        // A number that was never given is that of another job.
        let after = after.filter(|after| *after <= shot.snapshot.last);
        let last = after.unwrap_or(shot.snapshot.last);
        let ready = match after {
            Some(_) => VecDeque::new(),
            None => VecDeque::from([shot.message.clone()]),
        };
        let is_end = last == shot.snapshot.last && shot.snapshot.batch.state.is_terminal();
        Self { live, feed, pieces, shot, last, ready, is_up_to_date: false, is_end, place }
    }

    /// Ends the following; the place is free for another.
    pub fn leave(self) -> Place {
        self.place
    }

    /// Whether nothing will come at all: the job is over, and the client has all of it.
    pub fn is_over(&self) -> bool {
        self.is_end && self.ready.is_empty()
    }

    /// The next message. What was not awaited to its end is not lost.
    ///
    /// # Errors
    /// The end of the stream.
    pub async fn next(&mut self) -> Result<Message, End> {
        loop {
            let until = self.place.until().clone();
            if until.is_cancelled() {
                return Err(self.place.end());
            }
            if let Some(message) = self.ready.pop_front() {
                self.place.sent(&message);
                return Ok(message);
            }
            if self.is_up_to_date && self.is_end {
                return Err(End::Over);
            }
            // Whether it was cancelled is seen at the top.
            if self.is_up_to_date {
                if let Some(piece) = until.run_until_cancelled(self.pieces.recv()).await {
                    self.take(piece);
                }
            } else {
                until.run_until_cancelled(self.read()).await;
            }
        }
    }

    /// Takes a piece that follows on what is there; reads the log for any other.
    fn take(&mut self, piece: Result<Arc<Piece>, RecvError>) {
        let piece = match piece {
            Ok(piece) => piece,
            Err(RecvError::Lagged(_) | RecvError::Closed) => {
                self.is_up_to_date = false;
                return;
            }
        };
        if piece.last < self.last {
            return;
        }
        if piece.first.0 > self.last.0 + 1 {
            self.is_up_to_date = false;
            return;
        }
        let last = self.last;
        let news = piece.messages.iter().filter(|one| one.number.is_none_or(|n| n > last));
        self.ready.extend(news.cloned());
        if piece.last > last {
            self.last = piece.last;
            self.is_end = piece.is_end;
        }
    }

    /// Reads a page of the log.
    async fn read(&mut self) {
        let page = {
            let _one = self.live.reads().acquire().await;
            job_events::after(self.live.store(), &[(self.feed.job.clone(), self.last)], PAGE).await
        };
        let events = match page {
            Ok(events) => events,
            Err(error) => {
                tracing::debug!(%error, code = error.code(), "the events of a job cannot be read");
                tokio::time::sleep(READ_AGAIN_AFTER).await;
                return;
            }
        };
        self.ready.extend(events.iter().map(|event| self.shot.subject.event(event)));
        if let Some(event) = events.last() {
            self.last = event.number;
            self.is_end = matches!(event.kind, Kind::JobEnded(_));
        }
        self.is_up_to_date = events.len() < PAGE as usize;
        // A job that ended while the log came into being has no event of its end.
        let Shot { snapshot, .. } = &*self.shot;
        self.is_end |= self.last == snapshot.last && snapshot.batch.state.is_terminal();
    }
}
