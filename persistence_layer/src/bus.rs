//! Hints that something has happened to a job, so that whoever tells clients of it looks at once.
//!
//! A hint names the job and nothing else: neither whose it is nor what has happened. That stands in the log
//! ([`crate::job_events`]), which is the truth; hints may come twice, in any order, or not at all, and a look
//! from time to time must run beside them. They are given after the commit by whoever has written, and not by
//! triggers: a notification of PostgreSQL would queue the commits of all workers one behind the other.

use std::fmt;

use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

use crate::batches::BatchId;

/// Hints that a listener may be behind; one that is further behind gets [`Hint::Any`].
const KEPT: usize = 1024;

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// This job.
    Job(BatchId),
    /// All of them: hints may have been lost.
    Any,
}

/// Passes hints on.
pub trait Bus: fmt::Debug + Send + Sync {
    /// Something has happened to a job. Waits for nobody and cannot fail.
    fn tell(&self, job: BatchId);

    /// The hints from now on.
    fn listen(&self) -> Hints;

    /// Whether the hints of all processes come here at the moment. Else whoever looks has to do so
    /// more often.
    fn reaches_all(&self) -> bool;
}

/// Hints as they come.
#[derive(Debug)]
pub struct Hints(broadcast::Receiver<Hint>);

impl Hints {
    /// The next one. None is lost when it is not awaited to its end.
    pub async fn next(&mut self) -> Hint {
        match self.0.recv().await {
            Ok(hint) => hint,
            Err(RecvError::Lagged(_)) => Hint::Any,
            // The bus is gone: nothing will ever come.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }

    /// The next one if it is there.
    pub fn next_here(&mut self) -> Option<Hint> {
        match self.0.try_recv() {
            Ok(hint) => Some(hint),
            Err(TryRecvError::Lagged(_)) => Some(Hint::Any),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

/// The bus of a process that has no other: what happens elsewhere is found by looking.
#[derive(Debug, Clone)]
pub struct InProcess(broadcast::Sender<Hint>);

impl InProcess {
    /// A bus on which nobody listens yet.
    pub fn new() -> Self {
        Self(broadcast::channel(KEPT).0)
    }

    /// Gives a hint to who listens in this process.
    pub(crate) fn hint(&self, hint: Hint) {
        // Without listeners nobody is told.
        let _ = self.0.send(hint);
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for InProcess {
    fn tell(&self, job: BatchId) {
        self.hint(Hint::Job(job));
    }

    fn listen(&self) -> Hints {
        Hints(self.0.subscribe())
    }

    fn reaches_all(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn who_is_too_far_behind_is_told_to_look_at_everything() {
        let bus = InProcess::new();
        let (mut quick, mut slow) = (bus.listen(), bus.listen());
        let jobs: Vec<_> = (0..KEPT + 1).map(|n| BatchId(Uuid::from_u128(n as u128))).collect();
        for job in &jobs {
            bus.tell(*job);
            assert_eq!(quick.next().await, Hint::Job(*job));
        }
        assert_eq!(quick.next_here(), None);
        assert_eq!(slow.next().await, Hint::Any);
        assert_eq!(slow.next_here(), Some(Hint::Job(jobs[1])));
    }
}
