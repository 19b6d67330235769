//! What answers are made of, and how it stands with it now.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use job_orchestrator::batch::BatchError;
use persistence_layer::batches::BatchRef;
use persistence_layer::bus::Hints;
use persistence_layer::{Tenant, ledgers};
use pnl_core::WalletRef;

use crate::app::App;
use crate::dto::job::JobView;
use crate::looks::Looks;

/// Longest wait for a version: a database that is slower than this cannot tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The ledger of a tenant's wallet.
    Wallet(Tenant, WalletRef),
    /// The results of a job.
    Job(BatchRef),
}

/// How it stands with a subject.
#[derive(Debug, Clone)]
pub enum Version {
    /// So; whatever is made of it stays as it is until this changes.
    Is(String),
    /// It is not there, or changes all the time.
    None,
    /// The database cannot tell.
    Unknown,
}

/// The versions of all subjects.
pub struct Versions {
    looks: Looks<Subject, Version>,
    hints: Mutex<Hints>,
}

impl Versions {
    /// A version may be told again for as long as it is `fresh`, but not when something has happened to a job since.
    pub fn new(fresh: Duration, hints: Hints) -> Self {
        Self { looks: Looks::new(fresh), hints: Mutex::new(hints) }
    }

    /// The version that `subject` had when it was last read, while that is fresh.
    pub fn fresh(&self, app: &App, subject: &Subject) -> Option<Version> {
        self.listen();
        self.looks.fresh(subject).filter(|_| app.database.is_up())
    }

    /// The version that `subject` has, or had not longer ago than is fresh.
    pub async fn of(&self, app: &App, subject: &Subject) -> Version {
        if !app.database.is_up() {
            return Version::Unknown;
        }
        self.listen();
        let look = self.looks.get(subject, read(app, subject));
        tokio::time::timeout(PATIENCE, look).await.unwrap_or(Version::Unknown)
    }

    /// Nothing that was read before a hint is told after it.
    fn listen(&self) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        if std::iter::from_fn(|| hints.next_here()).count() > 0 {
            self.looks.forget();
        }
    }
}

async fn read(app: &App, subject: &Subject) -> Version {
    match subject {
        Subject::Wallet(tenant, wallet) => {
            match ledgers::current_id(&app.store, tenant, wallet).await {
                Ok(Some(id)) => Version::Is(id.to_string()),
                Ok(None) => Version::None,
                Err(_) => Version::Unknown,
            }
        }
        Subject::Job(job) => match app.batches.status(job).await {
            Ok(batch) if batch.state.is_terminal() => {
                serde_json::to_string(&JobView::of(&batch)).map_or(Version::None, Version::Is)
            }
            Err(BatchError::Store(_)) => Version::Unknown,
            Ok(_) | Err(_) => Version::None,
        },
    }
}
