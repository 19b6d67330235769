//! What a process knows of one job that clients follow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use persistence_layer::batches::{BatchRef, Counts};
use persistence_layer::job_events::{Event, Kind, Number, Snapshot};
use persistence_layer::wallet_tasks::TaskState;
use tokio::sync::broadcast;

use super::message::{Message, Subject};
use crate::dto::time::rfc3339;

/// Pieces that a follower may be behind before it reads the log by itself.
const PIECES: usize = 64;

/// Shortest pause between two messages on the progress of a job.
pub const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

/// Consecutive events of a job, and what else there is to say after them.
#[derive(Debug)]
pub struct Piece {
    /// Its first event, or the next one there will be.
    pub first: Number,
    /// The last event up to here.
    pub last: Number,
    /// In their order.
    pub messages: Vec<Message>,
    /// Whether the job is over with the last event.
    pub is_end: bool,
}

/// A job that is followed.
pub struct Feed {
    /// The job.
    pub job: BatchRef,
    /// Tells the followers.
    tell: broadcast::Sender<Arc<Piece>>,
    /// The last snapshot; whoever needs a newer one takes it for all who come meanwhile.
    pub shot: tokio::sync::Mutex<Option<Arc<Shot>>>,
    known: Mutex<Option<Known>>,
}

/// A snapshot in the words of clients.
pub struct Shot {
    /// When it was taken.
    pub taken: Instant,
    /// What was found.
    pub snapshot: Snapshot,
    /// What stands in every message of the job.
    pub subject: Subject,
    /// The message that tells it.
    pub message: Message,
}

impl Shot {
    /// Of a snapshot that was taken then.
    pub fn new(taken: Instant, snapshot: Snapshot) -> Self {
        let subject = Subject::of(&snapshot.batch);
        let message = subject.snapshot(&snapshot);
        Self { taken, snapshot, subject, message }
    }
}

/// How far the events of a job were told, and what they sum to.
struct Known {
    subject: Subject,
    last: Number,
    total: u32,
    counts: Counts,
    /// When progress was last told, and the time of an event that it does not count yet.
    told_at: Option<Instant>,
    untold: Option<String>,
}

impl Feed {
    /// Of a job of which nothing is known yet.
    pub fn new(job: BatchRef) -> Self {
        let (tell, _) = broadcast::channel(PIECES);
        Self { job, tell, shot: tokio::sync::Mutex::default(), known: Mutex::default() }
    }

    /// What will be told from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Piece>> {
        self.tell.subscribe()
    }

    /// Whether anybody follows.
    pub fn is_followed(&self) -> bool {
        self.tell.receiver_count() > 0
    }

    /// Begins with a snapshot, unless it has begun.
    pub fn begin(&self, shot: &Shot) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_with(|| Known {
            subject: shot.subject.clone(),
            last: shot.snapshot.last,
            total: shot.snapshot.batch.total,
            counts: shot.snapshot.batch.counts,
            told_at: None,
            untold: None,
        });
    }

    /// The last event that was told; `None` before the beginning.
    pub fn last(&self) -> Option<Number> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|known| known.last)
    }

    /// Tells the followers of the events that come next, and of the progress when its time has come.
    pub fn tell(&self, events: &[Event]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(piece) = known.as_mut().and_then(|known| known.piece(events)) else { return };
        // Without followers nobody is told.
        let _ = self.tell.send(Arc::new(piece));
    }
}

impl Known {
    fn piece(&mut self, events: &[Event]) -> Option<Piece> {
        let first = Number(self.last.0 + 1);
        let fresh =
            |event: &Event| Message { happened: Some(event.at), ..self.subject.event(event) };
        let mut messages: Vec<_> = events.iter().map(fresh).collect();
        for event in events {
            self.count(event);
        }
        let is_end = events.last().is_some_and(|event| matches!(event.kind, Kind::JobEnded(_)));
        let is_due = is_end || self.told_at.is_none_or(|told| told.elapsed() >= PROGRESS_PAUSE);
        if is_due && let Some(at) = self.untold.take() {
            self.told_at = Some(Instant::now());
            let progress = self.subject.progress(self.last, at, self.total, &self.counts);
            // Nothing comes behind the end of the job.
            messages.insert(messages.len() - usize::from(is_end), progress);
        }
        (!messages.is_empty()).then_some(Piece { first, last: self.last, messages, is_end })
    }

    fn count(&mut self, event: &Event) {
        self.last = event.number;
        let counts = &mut self.counts;
        match &event.kind {
            Kind::WalletEnded { state, .. } => {
                match state {
                    TaskState::Done => counts.done += 1,
                    TaskState::TimedOut => counts.timed_out += 1,
                    TaskState::Cancelled => counts.cancelled += 1,
                    _ => counts.failed += 1,
                }
                self.untold = Some(rfc3339(event.at));
            }
            Kind::JobRetried => {
                (counts.failed, counts.timed_out) = (0, 0);
                self.untold = Some(rfc3339(event.at));
            }
            Kind::GroupEnded { .. } | Kind::JobStarted | Kind::JobEnded(_) => {}
        }
    }
}
