//! What answers are made of, and how it stands with it now.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use job_orchestrator::batch::BatchError;
use persistence_layer::batches::BatchRef;
use persistence_layer::bus::Hints;
use persistence_layer::results::{self, Newest};
use persistence_layer::{Tenant, ledgers};
use pnl_core::{Address, WalletRef};

use crate::answers::Reach;
use crate::app::App;
use crate::dto::job::JobView;
use crate::looks::Looks;

/// Longest wait for a version: a database that is slower than this cannot tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long the state of the service is told again.
const SERVICE_FRESH: Duration = Duration::from_secs(10);

/// How long a result takes at most from its time to its being seen, in seconds; longer ones are shown after [`LIST_STEP`].
const LONGEST_END: i64 = 10;

/// How long a list may be that of before while results may still be on their way, in seconds.
const UNSETTLED_STEP: i64 = 2;

/// How long a list is kept that nothing new is known of, in seconds.
const LIST_STEP: i64 = 60;

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The ledger of a tenant's wallet.
    Wallet(Tenant, WalletRef),
    /// The results of a job.
    Job(BatchRef),
    /// The newest results of all wallets of a tenant.
    Latest(Tenant),
    /// The service, as this process sees it.
    Service,
}

impl Subject {
    /// Who can use answers about it.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::Service => Reach::Process,
            Self::Wallet(..) | Self::Job(_) | Self::Latest(_) => Reach::AllProcesses,
        }
    }

    /// Whether whoever may read anything may read about it.
    pub const fn is_for_readers(&self) -> bool {
        !matches!(self, Self::Service)
    }
}

impl fmt::Display for Subject {
    /// In a form that [`Subject::read`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet(tenant, wallet) => write!(f, "wallet:{tenant}:{wallet}"),
            Self::Job(BatchRef { tenant, id }) => write!(f, "job:{tenant}:{id}"),
            Self::Latest(tenant) => write!(f, "latest:{tenant}"),
            Self::Service => f.write_str("service"),
        }
    }
}

impl Subject {
    /// The subject that is written so.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ':');
        let mut next = || parts.next();
        match next()? {
            "wallet" => {
                let (tenant, chain) = (next()?.parse().ok()?, next()?.parse().ok()?);
                let address = Address::parse(chain, next()?).ok()?;
                Some(Self::Wallet(tenant, WalletRef { chain, address }))
            }
            "job" => {
                let (tenant, id) = (next()?.parse().ok()?, next()?.parse().ok()?);
                Some(Self::Job(BatchRef { tenant, id }))
            }
            "latest" => Some(Self::Latest(next()?.parse().ok()?)),
            "service" => Some(Self::Service),
            _ => None,
        }
    }
}

/// How it stands with a subject.
#[derive(Debug, Clone)]
pub enum Version {
    /// So; whatever is made of it stays as it is until this changes.
    Is(String),
    /// It is not there, or changes all the time.
    None,
    /// The database cannot tell, or not whether what is kept of it was purged.
    Unknown,
}

/// The versions of all subjects.
pub struct Versions {
    looks: Looks<Subject, Version>,
    hints: Mutex<Hints>,
    /// When the state of the service was last looked at, by what is known of it at once.
    service: Looks<String, Version>,
    /// Age of its newest row from which on a list has all that is older, in seconds.
    settled: i64,
}

impl Versions {
    /// A version may be told again for as long as it is `fresh`, but not when something has happened to a job since. Lists are
    /// read where what was stored is seen after `lag` at most.
    pub fn new(fresh: Duration, hints: Hints, lag: Duration) -> Self {
        Self {
            looks: Looks::new(fresh),
            hints: Mutex::new(hints),
            service: Looks::new(SERVICE_FRESH),
            settled: LONGEST_END.saturating_add(i64::try_from(lag.as_secs()).unwrap_or(i64::MAX)),
        }
    }

    /// The version that `subject` had when it was last read, while that is fresh.
    pub fn fresh(&self, app: &App, subject: &Subject) -> Option<Version> {
        self.listen();
        self.looks.fresh(subject).filter(|_| app.knows_what_is_kept())
    }

    /// The version that `subject` has, or had not longer ago than is fresh.
    pub async fn of(&self, app: &App, subject: &Subject) -> Version {
        if *subject == Subject::Service {
            return self.service(app).await;
        }
        if !app.knows_what_is_kept() {
            return Version::Unknown;
        }
        self.listen();
        let look = self.looks.get(subject, self.read(app, subject));
        tokio::time::timeout(PATIENCE, look).await.unwrap_or(Version::Unknown)
    }

    /// Nothing that was read before a hint is told after it.
    fn listen(&self) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        if std::iter::from_fn(|| hints.next_here()).count() > 0 {
            self.looks.forget();
        }
    }

    /// The moment of the last look that is fresh: a process tells of itself, and at once when it stops, is overloaded, or
    /// its database or its Redis have changed.
    async fn service(&self, app: &App) -> Version {
        let (database, redis) = (app.database.health(), app.redis.as_ref());
        let redis = redis.map(|redis| redis.status().state);
        let known = format!(
            "{} {} {} {:?} {redis:?}",
            app.instance.id,
            app.mode(),
            database.up,
            database.code
        );
        let look =
            async { Version::Is(format!("{known} {}", chrono::Utc::now().timestamp_micros())) };
        self.service.get(&known, look).await
    }

    async fn read(&self, app: &App, subject: &Subject) -> Version {
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
            Subject::Latest(tenant) => match results::newest(&app.store, tenant).await {
                Ok(newest) => Version::Is(list_version(newest, self.settled)),
                Err(_) => Version::Unknown,
            },
            Subject::Service => self.service(app).await,
        }
    }
}

/// The version of a list: it changes with each result that is seen with a newer time, and with time.
///
/// What is stored at about the same time may be seen in another order, and the list may be read where it is seen later. So the
/// version goes on in short steps until the newest row is older than that takes; whatever is seen later has a time of its own then.
/// The long steps are for what leaves no time: rows that are removed, and the summary.
fn list_version(Newest { at, age_seconds }: Newest, settled: i64) -> String {
    let is_settled = age_seconds >= settled;
    let step = age_seconds.div_euclid(if is_settled { LIST_STEP } else { UNSETTLED_STEP });
    format!("{} {is_settled} {step}", at.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_subject_is_read_as_it_is_written() {
        let job = "job:acme:00000000-0000-0000-0000-000000000001";
        let wallet = "wallet:acme:base:0x0000000000000000000000000000000000000001";
        for text in [job, wallet, "latest:default", "service"] {
            assert_eq!(Subject::read(text).unwrap().to_string(), text);
        }
        for bad in ["", "wallet", "wallet:acme:base:1", "job:acme", "latest:A", "other:acme"] {
            assert_eq!(Subject::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_goes_on_in_short_steps_until_what_was_stored_at_once_is_seen() {
        let at = DateTime::UNIX_EPOCH;
        let version = |age_seconds| list_version(Newest { at, age_seconds }, 15);
        for (one, other) in [(0, 1), (2, 3), (15, 59), (60, 119)] {
            assert_eq!(version(one), version(other), "{one} {other}");
        }
        let all = [-61, -60, -4, -1, 0, 2, 4, 6, 8, 10, 12, 14, 15, 60, 120].map(version);
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{all:?}");
        let newer = Newest { at: at + Duration::from_micros(1), age_seconds: 20 };
        assert_ne!(list_version(newer, 15), version(20));
    }
}
