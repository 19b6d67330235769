//! Answers that were given already: in this process, behind it in Redis, and no older than what they are made of as far as the
//! process knows ([`crate::versions`]).
//!
//! An answer is kept under what was asked and under the *version* of what it was made of: the id of a
//! wallet's ledger, the state of a job, the newest of a tenant's results. Whoever asks looks up the version first, in one short read of the
//! database that many share; so an answer is found again as long as nothing has changed, whoever changed it, and never
//! afterwards. Nothing has to be purged but what was repaired by hand ([`crate::purges`]), and losing Redis costs time only.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use moka::future::Cache;
use persistence_layer::StoreError;
use persistence_layer::redis::Redis;
use persistence_layer::redis_monitor::RedisMonitor;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::json::hex;
use crate::metrics::DroppedMetrics;
use crate::middleware::validators::tag_of;
use crate::purges::{Mark, Purges};
use crate::questions::{Question, Questions};
use crate::versions::Subject;

/// How long an answer is kept; it is also how old one may be that stands in for an error.
pub const KEPT: Duration = Duration::from_secs(600);

/// Largest answer that is kept, in bytes.
const MAX_BYTES: usize = 4 << 20;

/// Longest wait for Redis: from there on computing is faster.
const PATIENCE: Duration = Duration::from_millis(250);

/// Keys that are looked at before others have their turn.
const KEYS_AT_ONCE: usize = 256;

/// What the keys of answers in Redis begin with. Nothing else there does.
pub const PREFIX: &str = "pnl:answer:";

/// Headers that belong to an answer, whoever it is given to.
const HEADERS: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::ETAG,
    header::VARY,
    header::CONTENT_DISPOSITION,
    header::LINK,
    HeaderName::from_static("deprecation"),
];

/// An answer 200 with its tag.
#[derive(Debug, Clone)]
pub struct Answer {
    made_at: DateTime<Utc>,
    headers: HeaderMap,
    body: Bytes,
}

/// What stands before the body where an answer is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    made_at_ms: i64,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// The answer with these headers and this body; `None` when it has no tag or is too large.
    pub fn new(all: &HeaderMap, body: Bytes) -> Option<Self> {
        if body.len() > MAX_BYTES || !all.contains_key(header::ETAG) {
            return None;
        }
        let kept =
            HEADERS.into_iter().filter_map(|name| Some((name.clone(), all.get(name)?.clone())));
        // A copy of its own size: what it was written into may be twice as large.
        let body = Bytes::copy_from_slice(&body);
        Some(Self { made_at: Utc::now(), headers: with_room(kept), body })
    }

    /// Its tag.
    pub fn tag(&self) -> &str {
        self.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default()
    }

    /// Its bytes, as they are without an encoding.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Seconds since it was made.
    pub fn age_seconds(&self) -> u64 {
        u64::try_from((Utc::now() - self.made_at).num_seconds()).unwrap_or(0)
    }

    /// The answer for one more client.
    pub fn response(&self) -> Response {
        let mut response = Response::new(self.body.clone().into());
        let headers = response.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        response
    }

    fn to_bytes(&self) -> Option<Vec<u8>> {
        let headers = self.headers.iter();
        let headers =
            headers.map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let stored = Stored {
            made_at_ms: self.made_at.timestamp_millis(),
            headers: headers.collect::<Option<_>>()?,
        };
        let mut bytes = serde_json::to_vec(&stored).ok()?;
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        Some(bytes)
    }

    /// What [`Answer::to_bytes`] gave; `None` for anything else.
    fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let stored: Stored = serde_json::from_slice(bytes.get(..end)?).ok()?;
        let read = |(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        let headers = stored.headers.into_iter().map(read).collect::<Option<Vec<_>>>()?;
        let headers = with_room(headers);
        let made_at = DateTime::from_timestamp_millis(stored.made_at_ms)?;
        let answer = Self { made_at, headers, body: Bytes::from(bytes).slice(end + 1..) };
        (answer.tag() == tag_of(&answer.body)).then_some(answer)
    }
}

/// These headers with room for those that an answer gets on its way, so that no copy of them has to grow.
fn with_room(headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> HeaderMap {
    let mut all = HeaderMap::with_capacity(2 * HEADERS.len() + 2);
    all.extend(headers);
    all
}

/// Where an answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Found {
    /// In this process.
    Hit,
    /// In Redis.
    SharedHit,
    /// Another request was making it already; it took as long as that.
    Awaited,
    /// It was made now.
    Miss,
    /// Older than what it is made of, perhaps: the database cannot tell.
    Stale,
    /// It was made now, and could not be looked for everywhere: the client wanted it so, or Redis is away.
    Bypass,
}

impl Found {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Hit, Self::SharedHit, Self::Awaited, Self::Miss, Self::Stale, Self::Bypass];

    /// The value of the header `X-Cache`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit | Self::SharedHit | Self::Awaited => "HIT",
            Self::Miss => "MISS",
            Self::Stale => "STALE",
            Self::Bypass => "BYPASS",
        }
    }

    /// Whether nothing was made.
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Hit | Self::SharedHit | Self::Awaited | Self::Stale)
    }
}

/// Who can use an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The process that made it: it is about itself.
    Process,
    /// All processes, by way of Redis.
    AllProcesses,
}

/// What a look into Redis gives.
enum Shared {
    Found(Answer),
    /// It is not there, or there is no Redis.
    Nothing,
    /// Redis does not answer.
    Away,
}

/// The answers of a process.
pub struct Answers {
    kept: Cache<String, Arc<Answer>>,
    /// The newest key of each question, for when the database cannot tell.
    newest: moka::sync::Cache<[u8; 32], String>,
    /// Questions whose answers are kept, or were.
    pub questions: Questions,
    /// What was to be forgotten.
    pub purges: Purges,
    dropped: DroppedMetrics,
    redis: Option<RedisMonitor>,
    /// What else answers depend on: the program and its rules.
    rules: String,
    is_on: bool,
}

impl Answers {
    /// At most `megabytes` of answers and what is known of their questions in this process; none at all with 0. `rules` are those by which
    /// answers are made: processes with others do not share them.
    pub fn new(
        megabytes: u32,
        redis: Option<RedisMonitor>,
        rules: &str,
        dropped: DroppedMetrics,
    ) -> Self {
        let all = u64::from(megabytes) << 20;
        let (questions, newest) = (all / 8, all / 16);
        let most = all - questions - newest;
        let weight = |key: &String, answer: &Arc<Answer>| {
            u32::try_from(key.len() + answer.body.len() + 512).unwrap_or(u32::MAX)
        };
        let newest = moka::sync::Cache::builder()
            .max_capacity(newest)
            .weigher(|question: &[u8; 32], key: &String| (question.len() + key.len()) as u32 + 192)
            .time_to_live(KEPT);
        Self {
            kept: Cache::builder().max_capacity(most).weigher(weight).time_to_live(KEPT).build(),
            newest: newest.build(),
            questions: Questions::new(questions),
            purges: Purges::default(),
            dropped,
            redis,
            rules: format!("{} {rules}", env!("CARGO_PKG_VERSION")),
            is_on: megabytes > 0,
        }
    }

    /// Whether answers are kept at all.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// The answer to `question` made of `version`; `make` makes it when it is nowhere. Those who ask for the
    /// same at once wait for one that makes it.
    ///
    /// # Errors
    /// What `make` gave in place of an answer; `None` when another one's `make` did.
    pub async fn get<E: Send + Sync + 'static>(
        &self,
        question: &Question,
        version: &str,
        make: impl Future<Output = Result<Answer, E>>,
    ) -> Result<(Arc<Answer>, Found), Option<E>> {
        // Before it is made: what is forgotten meanwhile is not found under this key any more.
        let mark = self.purges.mark(&question.subject);
        let key = self.key(question, version, mark);
        if let Some(answer) = self.kept.get(&*key).await {
            return Ok((answer, Found::Hit));
        }
        let reach = question.subject.reach();
        // Where this look finds it. Those who wait for another's do not look for themselves.
        let found = Mutex::new(Found::Awaited);
        let note = |now| *found.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let answer = self.kept.try_get_with::<_, Mutex<Option<E>>>(key.clone(), async {
            let shared = match reach {
                Reach::Process => Shared::Nothing,
                Reach::AllProcesses => self.shared(&key).await,
            };
            let answer = match shared {
                Shared::Found(answer) => {
                    note(Found::SharedHit);
                    answer
                }
                nowhere @ (Shared::Nothing | Shared::Away) => {
                    let is_away = matches!(nowhere, Shared::Away);
                    note(if is_away { Found::Bypass } else { Found::Miss });
                    let answer = make.await.map_err(|error| Mutex::new(Some(error)))?;
                    if reach == Reach::AllProcesses {
                        self.share(&key, &answer);
                    }
                    answer
                }
            };
            self.supersede(question, mark, &key).await;
            Ok(Arc::new(answer))
        });
        let answer = answer.await;
        let found = *found.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) => Ok((answer, found)),
            // It belongs to who asked for it; those who waited may be here first.
            Err(error) if !found.is_kept() => {
                Err(error.lock().unwrap_or_else(PoisonError::into_inner).take())
            }
            Err(_) => Err(None),
        }
    }

    /// Notes that the newest answer to `question` is at `key`, and forgets the one before: versions do not come back, so
    /// the last one that was put here is the newest.
    async fn supersede(&self, question: &Question, mark: Mark, key: &str) {
        let place = self.place(question, mark);
        let before = self.newest.get(&place);
        self.newest.insert(place, key.to_owned());
        if let Some(before) = before.filter(|before| before != key)
            && self.kept.remove(&before).await.is_some()
        {
            self.dropped.superseded.inc();
        }
    }

    /// The answer to `question` made of `version`, if this process has it.
    pub fn at_hand(&self, question: &Question, version: &str) -> Option<Arc<Answer>> {
        let mark = self.purges.mark(&question.subject);
        let key = question.key(version, mark, || self.key(question, version, mark));
        // Looking here waits for nothing.
        self.kept.get(&*key).now_or_never().flatten()
    }

    /// The newest answer to `question` that this process has, whatever has happened since but a purge.
    pub async fn stale(&self, question: &Question) -> Option<Arc<Answer>> {
        let place = self.place(question, self.purges.mark(&question.subject));
        self.kept.get(&self.newest.get(&place)?).await
    }

    /// Bytes that this process has room for.
    pub fn room(&self) -> u64 {
        self.kept.policy().max_capacity().unwrap_or(0)
    }

    /// How many answers this process keeps, and their bytes. Close to exact: counts follow a moment later.
    pub fn size(&self) -> (u64, u64) {
        (self.kept.entry_count(), self.kept.weighted_size())
    }

    /// Forgets every answer of this process; gives how many there were.
    pub fn evict(&self) -> u64 {
        let (answers, _) = self.size();
        self.newest.invalidate_all();
        self.kept.invalidate_all();
        self.dropped.purged.inc_by(answers);
        answers
    }

    /// Forgets the answers of this process that were made before a purge of them; gives how many there were.
    pub async fn forget_purged(&self) -> u64 {
        let purged: Vec<_> = self.kept.iter().map(|(key, _)| key).collect();
        let mut answers = 0;
        for some in purged.chunks(KEYS_AT_ONCE) {
            for key in some.iter().filter(|key| self.is_purged(key)) {
                answers += u64::from(self.kept.remove(&***key).await.is_some());
            }
            // There may be a hundred thousand of them, and requests wait for this thread.
            tokio::task::yield_now().await;
        }
        self.dropped.purged.inc_by(answers);
        answers
    }

    /// Forgets those in Redis; gives how many there were.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn evict_shared(&self) -> Result<u64, StoreError> {
        self.forget_shared(|_| true).await
    }

    /// Forgets those in Redis that were made before a purge of them; gives how many there were.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn forget_purged_shared(&self) -> Result<u64, StoreError> {
        self.forget_shared(|key| str::from_utf8(key).is_ok_and(|key| self.is_purged(key))).await
    }

    async fn forget_shared(&self, which: impl Fn(&[u8]) -> bool) -> Result<u64, StoreError> {
        let Some((monitor, redis)) = self.connected() else { return Ok(0) };
        let forgotten = redis.forget(PREFIX, which).await;
        if forgotten.is_err() {
            monitor.forget_connection();
        }
        forgotten
    }

    /// What it is about and the purges that it was made after stand in the key, so that what is purged is known by it.
    fn key(&self, question: &Question, version: &str, mark: Mark) -> String {
        let hash = hex(&self.hash(&[&question.text, version]));
        format!("{PREFIX}{}:{mark}:{hash}", question.subject)
    }

    /// Whether the answer at `key` was made before a purge that this process knows of: nobody finds it any more.
    fn is_purged(&self, key: &str) -> bool {
        let parts = key.strip_prefix(PREFIX).and_then(|key| {
            let (rest, _hash) = key.rsplit_once(':')?;
            let (subject, mark) = rest.rsplit_once(':')?;
            Some((Subject::read(subject)?, Mark::read(mark)?))
        });
        parts.is_some_and(|(subject, mark)| self.purges.mark(&subject) != mark)
    }

    /// Where the key of the newest answer to `question` stands.
    fn place(&self, question: &Question, mark: Mark) -> [u8; 32] {
        self.hash(&[&question.text, &mark.to_string()])
    }

    fn hash(&self, parts: &[&str]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [self.rules.as_str()].iter().chain(parts) {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().into()
    }

    fn connected(&self) -> Option<(RedisMonitor, Redis)> {
        let monitor = self.redis.as_ref()?;
        Some((monitor.clone(), monitor.connection()?))
    }

    /// What some process has put there.
    async fn shared(&self, key: &str) -> Shared {
        if self.redis.is_none() {
            return Shared::Nothing;
        }
        let Some((monitor, redis)) = self.connected() else { return Shared::Away };
        match tokio::time::timeout(PATIENCE, redis.get(key)).await {
            Ok(Ok(bytes)) => {
                bytes.and_then(Answer::from_bytes).map_or(Shared::Nothing, Shared::Found)
            }
            Ok(Err(_)) | Err(_) => {
                monitor.forget_connection();
                Shared::Away
            }
        }
    }

    /// Puts it where other processes find it. Nobody waits for that.
    fn share(&self, key: &str, answer: &Answer) {
        let Some((_, redis)) = self.connected() else { return };
        let Some(bytes) = answer.to_bytes() else { return };
        let key = key.to_owned();
        tokio::spawn(async move {
            // A large answer may take long, and counting goes over the same connection.
            let put = tokio::time::timeout(PATIENCE, redis.put(&key, &bytes, KEPT)).await;
            if !matches!(put, Ok(Ok(()))) {
                tracing::debug!("an answer was not shared with other processes");
            }
        });
    }
}

#[cfg(test)]
mod tests;
