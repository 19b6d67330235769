//! Answers that every process shall forget: as operators have asked, by tag.
//!
//! A purge is a row of the database, which every process looks for each second. So none is lost, whatever was away
//! meanwhile. What a process knows of them is in the key of an answer: one that was made before a purge is not found by who
//! knows of it, wherever it lies and whenever it was put there. That memory is given back at once is all that removing does.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use persistence_layer::batches::BatchId;
use persistence_layer::operator_actions::{self, Action, Asked, Purge};
use persistence_layer::{Cause, StoreError, Tenant};
use pnl_core::{Address, Chain, WalletRef};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::answers::KEPT;
use crate::app::AppState;
use crate::extract::job_id;
use crate::versions::Subject;

/// Pause between two looks for purges.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest time of a look: nothing else hangs on one.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a look holds: some that fail are made up for by the next one.
const HEARD_FOR: Duration = Duration::from_secs(10);

/// How far back purges matter: an answer may go from Redis to a process at the end of its time there, and be kept as
/// long again.
const PAST: Duration = Duration::from_secs(3 * KEPT.as_secs());

/// Most purges that are told apart. With more of them everything is forgotten.
const MOST: u32 = 1000;

/// What a purge is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// All answers.
    Everything,
    /// Those that a tenant gets.
    Tenant(Tenant),
    /// Those that may name wallets of a chain.
    Chain(Chain),
    /// Those that may name a wallet.
    Wallet(WalletRef),
    /// Those about a job.
    Job(BatchId),
}

/// The text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTag {
    /// It begins with none of the words.
    #[error("expected everything, tenant:NAME, chain:NAME, wallet:CHAIN:ADDRESS or job:ID")]
    Unknown,
    /// What follows the word is not right.
    #[error("{0}")]
    Wrong(String),
}

impl FromStr for Tag {
    type Err = NoTag;

    fn from_str(text: &str) -> Result<Self, NoTag> {
        fn wrong(error: impl fmt::Display) -> NoTag {
            NoTag::Wrong(error.to_string())
        }
        if text == "everything" {
            return Ok(Self::Everything);
        }
        let (kind, of) = text.split_once(':').ok_or(NoTag::Unknown)?;
        match kind {
            "tenant" => of.parse().map(Self::Tenant).map_err(wrong),
            "chain" => of.parse().map(Self::Chain).map_err(wrong),
            "wallet" => read_wallet(of).map(Self::Wallet),
            "job" => job_id(of).map(Self::Job).ok_or_else(|| wrong("not the id of a job")),
            _ => Err(NoTag::Unknown),
        }
    }
}

/// A wallet as `CHAIN:ADDRESS`.
fn read_wallet(text: &str) -> Result<WalletRef, NoTag> {
    let (chain, address) = text.split_once(':').ok_or(NoTag::Unknown)?;
    let chain: Chain = chain.parse().map_err(|error| NoTag::Wrong(format!("{error}")))?;
    let address =
        Address::parse(chain, address).map_err(|error| NoTag::Wrong(error.to_string()))?;
    Ok(WalletRef { chain, address })
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Tenant(tenant) => write!(f, "tenant:{tenant}"),
            Self::Chain(chain) => write!(f, "chain:{chain}"),
            Self::Wallet(wallet) => write!(f, "wallet:{wallet}"),
            Self::Job(job) => write!(f, "job:{job}"),
        }
    }
}

/// The purges that the answers about a subject were made after: the sum of their ids, so that it does not depend on the order in
/// which they were seen. Zero: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark(u128);

impl Mark {
    /// The mark that is written so.
    pub fn read(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }

    fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// The purges that matter, by what they are about.
#[derive(Debug, Default, PartialEq, Eq)]
struct Marks {
    everything: Mark,
    /// Those of wallets and chains: jobs and lists may have any wallet.
    any_wallet: Mark,
    tenants: HashMap<Tenant, Mark>,
    chains: HashMap<Chain, Mark>,
    wallets: HashMap<WalletRef, Mark>,
    jobs: HashMap<BatchId, Mark>,
}

impl Marks {
    fn of(purges: &[Purge]) -> Self {
        let mut marks = Self::default();
        let are_too_many = purges.len() > MOST as usize;
        for purge in purges {
            let id = Mark(purge.id.as_u128());
            for tag in &purge.tags {
                // A tag of a newer program may be about anything.
                let tag = tag.parse().unwrap_or(Tag::Everything);
                marks.add(if are_too_many { Tag::Everything } else { tag }, id);
            }
        }
        marks
    }

    fn add(&mut self, tag: Tag, id: Mark) {
        match tag {
            Tag::Everything => self.everything.add(id),
            Tag::Tenant(tenant) => self.tenants.entry(tenant).or_default().add(id),
            Tag::Job(job) => self.jobs.entry(job).or_default().add(id),
            Tag::Chain(chain) => {
                self.any_wallet.add(id);
                self.chains.entry(chain).or_default().add(id);
            }
            Tag::Wallet(wallet) => {
                self.any_wallet.add(id);
                self.wallets.entry(wallet).or_default().add(id);
            }
        }
    }

    fn on(&self, subject: &Subject) -> Mark {
        let mut mark = self.everything;
        let mut add = |other: Option<&Mark>| mark.add(other.copied().unwrap_or_default());
        match subject {
            Subject::Wallet(tenant, wallet) => {
                add(self.tenants.get(tenant));
                add(self.chains.get(&wallet.chain));
                add(self.wallets.get(wallet));
            }
            Subject::Job(job) => {
                add(self.tenants.get(&job.tenant));
                add(self.jobs.get(&job.id));
                add(Some(&self.any_wallet));
            }
            Subject::Latest(tenant) => {
                add(self.tenants.get(tenant));
                add(Some(&self.any_wallet));
            }
            Subject::Service => {}
        }
        mark
    }
}

/// The purges that a process knows of.
#[derive(Default)]
pub struct Purges {
    marks: RwLock<Marks>,
    /// When the last look began that found them.
    heard: Mutex<Option<Instant>>,
    /// One look at a time: what an earlier one has found must not replace what a later one has.
    looking: tokio::sync::Mutex<Looking>,
}

/// What looks leave to the next one.
#[derive(Default)]
struct Looking {
    /// The ids that the last change was of, sorted.
    ids: Vec<Uuid>,
    /// When the last one began that found them, whatever has happened to the database since.
    found: Option<Instant>,
}

impl Purges {
    /// Those that the answers about `subject` are to be made after.
    pub fn mark(&self, subject: &Subject) -> Mark {
        self.marks.read().unwrap_or_else(PoisonError::into_inner).on(subject)
    }

    /// Knows `purges` and no others from now on; whether that changes anything.
    pub fn know(&self, purges: &[Purge]) -> bool {
        let mut new = Marks::of(purges);
        if *self.marks.read().unwrap_or_else(PoisonError::into_inner) == new {
            return false;
        }
        // Requests wait neither for the comparison nor for the end of the old ones.
        std::mem::swap(&mut *self.marks.write().unwrap_or_else(PoisonError::into_inner), &mut new);
        true
    }

    /// Whether all purges are known but those of the last seconds. Where they are not, what is kept may be from before one.
    pub fn are_heard(&self) -> bool {
        self.heard().is_some_and(|heard| heard.elapsed() < HEARD_FOR)
    }

    /// Knows them from a look that began at `begun`, or has no way to hear of them.
    fn hear(&self, begun: Option<Instant>) {
        *self.heard() = begun;
    }

    fn heard(&self) -> MutexGuard<'_, Option<Instant>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has every process forget what it keeps of `tags`; gives the row of that, and how many answers this process had. Of an error
/// after the row was written the others hear all the same.
///
/// # Errors
/// As every write.
pub async fn ask(
    app: &AppState,
    tags: &[String],
    asked: Asked<'_>,
) -> Result<(Uuid, u64), StoreError> {
    // What it takes is not taken by another look before it is counted.
    let mut turn = app.answers.purges.looking.lock().await;
    let id = operator_actions::begin(&app.store, Action::Purge(tags), asked).await?;
    Ok((id, look_in_turn(app, &mut turn).await?))
}

/// Looks for purges, and forgets what they are about.
async fn look(app: &AppState) -> Result<(), StoreError> {
    let mut turn = app.answers.purges.looking.lock().await;
    look_in_turn(app, &mut turn).await.map(drop)
}

/// The same for who has the turn; gives how many answers this process had of it.
async fn look_in_turn(app: &AppState, last: &mut Looking) -> Result<u64, StoreError> {
    let (known, begun) = (&app.answers.purges, Instant::now());
    let found = tokio::time::timeout(PATIENCE, news(app, &last.ids)).await;
    // The limit of a statement is the server's: it does not help where the server is not heard any more.
    let news = found.unwrap_or(Err(StoreError::NoConnection(Cause::Unreachable)))?;
    // A purge may have come and left the window since the last look. Answers do not live that long.
    let was_away = last.found.is_some_and(|found| found.elapsed() >= PAST);
    // What is made from now on is made of what the purge was asked after.
    if news.is_some() {
        app.store.avoid_replica_for_now();
    }
    let is_change = news.is_some_and(|purges| {
        last.ids = sorted(purges.iter().map(|purge| purge.id));
        known.know(&purges)
    });
    if is_change || was_away {
        app.exports.forget();
        app.orders.forget();
    }
    last.found = Some(begun);
    known.hear(Some(begun));
    if !is_change {
        return Ok(0);
    }
    let purges = last.ids.len();
    let answers = app.answers.forget_purged().await;
    tracing::info!(purges, answers, "kept answers are forgotten, as operators asked");
    Ok(answers)
}

/// The purges, if they are others than those with the ids `known`: what they are about may be much, and is read once.
async fn news(app: &AppState, known: &[Uuid]) -> Result<Option<Vec<Purge>>, StoreError> {
    // One more tells that there are too many.
    let ids = operator_actions::purge_ids(&app.store, PAST, MOST + 1).await?;
    if sorted(ids) == known {
        return Ok(None);
    }
    operator_actions::purges(&app.store, PAST, MOST + 1).await.map(Some)
}

fn sorted(ids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

/// Looks for purges until `closing`; returns after the first look, so that nothing from before is found in Redis.
pub async fn watch(app: &AppState, closing: CancellationToken) {
    let mut has_failed = look(app).await.is_err();
    let app = app.clone();
    let looking = async move {
        loop {
            tokio::time::sleep(PAUSE).await;
            if !app.database.is_up() {
                // When it is back, nothing that is kept is given before the next look.
                app.answers.purges.hear(None);
                continue;
            }
            match look(&app).await {
                Ok(()) => has_failed = false,
                Err(error) if !has_failed => {
                    has_failed = true;
                    tracing::warn!(%error, code = error.code(), "purges cannot be looked for");
                }
                Err(_) => {}
            }
        }
    };
    // Nothing waits for its end.
    tokio::spawn(closing.run_until_cancelled_owned(looking));
}

#[cfg(test)]
mod tests {
    use persistence_layer::batches::BatchRef;

    use super::*;

    const WALLET: &str = "wallet:base:0x0000000000000000000000000000000000000001";

    fn purge(id: u128, tags: &[&str]) -> Purge {
        Purge { id: Uuid::from_u128(id), tags: tags.iter().map(|tag| (*tag).to_owned()).collect() }
    }

    fn subjects() -> [Subject; 6] {
        let acme: Tenant = "acme".parse().unwrap();
        let Ok(Tag::Wallet(wallet)) = WALLET.parse() else { panic!("{WALLET}") };
        let other = WalletRef { chain: Chain::Ethereum, ..wallet.clone() };
        let job = BatchRef { tenant: acme.clone(), id: BatchId(Uuid::nil()) };
        [
            Subject::Wallet(acme.clone(), wallet.clone()),
            Subject::Wallet(Tenant::default(), wallet),
            Subject::Wallet(acme.clone(), other),
            Subject::Job(job),
            Subject::Latest(acme),
            Subject::Service,
        ]
    }

    #[test]
    fn a_tag_is_read_as_it_is_written_and_nothing_else_is() {
        let job = format!("job:{}", Uuid::nil());
        for good in ["everything", "tenant:acme", "chain:base", WALLET, &job] {
            assert_eq!(good.parse::<Tag>().unwrap().to_string(), good);
        }
        assert_eq!("chain:sol".parse(), Ok(Tag::Chain(Chain::Solana)));
        for bad in [
            "",
            "all",
            "everything:",
            "tenant:",
            "tenant:A",
            "chain:doge",
            "wallet:base",
            "wallet:base:0x1",
            "wallet:doge:1",
            "job:1",
            &job.replace('-', ""),
        ] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tag_marks_whatever_may_have_it_and_nothing_else() {
        let job = format!("job:{}", Uuid::nil());
        for (tag, expected) in [
            ("everything", [true; 6]),
            ("of a newer program", [true; 6]),
            ("tenant:acme", [true, false, true, true, true, false]),
            ("chain:base", [true, true, false, true, true, false]),
            (WALLET, [true, true, false, true, true, false]),
            (&job, [false, false, false, true, false, false]),
            ("tenant:bolt", [false; 6]),
            ("chain:solana", [false, false, false, true, true, false]),
        ] {
            let purges = Purges::default();
            assert!(purges.know(&[purge(7, &[tag])]));
            let marked = subjects().map(|subject| purges.mark(&subject) != Mark::default());
            assert_eq!(marked, expected, "{tag}");
        }
    }

    #[test]
    fn each_further_purge_is_another_mark_in_whatever_order_they_are_seen() {
        let purges = Purges::default();
        let [subject, ..] = subjects();
        assert!(!purges.know(&[]));
        let mut seen = vec![purges.mark(&subject)];
        let (one, two) = (purge(1 << 100, &[WALLET, "tenant:acme"]), purge(5, &["everything"]));
        for all in [vec![one.clone()], vec![one.clone(), two.clone()], vec![two.clone()]] {
            assert!(purges.know(&all));
            assert!(!purges.know(&all));
            let mark = purges.mark(&subject);
            assert!(!seen.contains(&mark), "{mark}");
            seen.push(mark);
        }
        purges.know(&[two, one]);
        assert_eq!(purges.mark(&subject), seen[2]);
    }

    #[test]
    fn purges_are_heard_of_for_some_time_after_a_look() {
        let purges = Purges::default();
        assert!(!purges.are_heard(), "before the first look");
        purges.hear(Some(Instant::now()));
        assert!(purges.are_heard());
        purges.hear(Instant::now().checked_sub(HEARD_FOR));
        assert!(!purges.are_heard(), "so long after the last one");
        purges.hear(None);
        assert!(!purges.are_heard(), "without a database");
    }

    #[test]
    fn too_many_purges_are_one_of_everything() {
        let purges = Purges::default();
        let all: Vec<_> = (0..=u128::from(MOST)).map(|id| purge(id, &["tenant:bolt"])).collect();
        purges.know(&all[1..]);
        assert!(subjects().iter().all(|subject| purges.mark(subject) == Mark::default()));
        purges.know(&all);
        assert!(subjects().iter().all(|subject| purges.mark(subject) != Mark::default()));
    }
}
