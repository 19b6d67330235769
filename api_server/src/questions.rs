//! Questions whose answers are kept, by what was sent: whoever sends the same again need not be understood again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::http::{HeaderMap, Uri};
use persistence_layer::Tenant;

use crate::extract::check_accept;
use crate::purges::Mark;
use crate::versions::Subject;

/// Bytes that a question takes beside its texts: its place in the map, the subject, the last version and its key.
const OTHER_BYTES: usize = 1536;

/// Longest question that is known, in bytes.
const MOST_BYTES: usize = 512;

/// A question about something that has a version.
#[derive(Debug)]
pub struct Question {
    /// What is asked about.
    pub subject: Subject,
    /// The question, in one form whatever the order of its parameters, and for whom.
    pub text: String,
    /// The route that it matched.
    pub route: &'static str,
    /// The last version and mark that it was looked for under, and the key of those.
    last: Mutex<Option<(String, Mark, Arc<str>)>>,
}

impl Question {
    /// One that nothing was looked for under.
    pub fn new(subject: Subject, text: String, route: &'static str) -> Self {
        Self { subject, text, route, last: Mutex::default() }
    }

    /// The key of `version` after the purges of `mark`, made by `make` unless it was the last one.
    pub fn key(&self, version: &str, mark: Mark, make: impl FnOnce() -> String) -> Arc<str> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, then, key)) if known == version && *then == mark => Arc::clone(key),
            _ => {
                let key = Arc::from(make());
                *last = Some((version.to_owned(), mark, Arc::clone(&key)));
                key
            }
        }
    }
}

/// Whether these headers accept what is kept, which is JSON: all who do get the same, whatever else they accept.
pub fn accept_kept(headers: &HeaderMap) -> bool {
    check_accept(headers, "application/json").is_ok()
}

/// What was sent by one who accepts what is kept: whose request it is, its path and query as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sent(String);

impl Sent {
    /// By a request; `None` when it is long, or wants something else.
    pub fn of(tenant: &Tenant, uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let asked = uri.path_and_query()?.as_str();
        let length = tenant.as_str().len() + 1 + asked.len();
        // No name of a tenant and no path has a blank, so no two requests are one text.
        (length <= MOST_BYTES && accept_kept(headers))
            .then(|| Self([tenant.as_str(), " ", asked].concat()))
    }
}

/// The questions that a process knows, in so much memory. Most of them come back soon or never: when it is full, all are forgotten.
pub struct Questions {
    most_bytes: usize,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    questions: HashMap<Sent, Arc<Question>>,
    bytes: usize,
}

impl Questions {
    /// Room for about so many bytes.
    pub fn new(most_bytes: u64) -> Self {
        Self {
            most_bytes: usize::try_from(most_bytes).unwrap_or(usize::MAX),
            known: RwLock::default(),
        }
    }

    /// The one that is meant.
    pub fn get(&self, sent: &Sent) -> Option<Arc<Question>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.questions.get(sent).cloned()
    }

    /// Knows it from now on.
    pub fn learn(&self, sent: Sent, question: Arc<Question>) {
        let bytes = sent.0.len() + question.text.len() + OTHER_BYTES;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_full = known.bytes + bytes > self.most_bytes;
        // Let go when the others need not wait for it any more.
        let _forgotten = is_full.then(|| std::mem::take(&mut *known));
        // Whoever asks the same at once has learnt it as well.
        if known.questions.insert(sent, question).is_none() {
            known.bytes += bytes;
        }
        drop(known);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn what_differs_in_anything_but_what_else_is_accepted_is_another_question() {
        let sent = |tenant: &str, uri: &str, accepted: &[&'static str]| {
            let mut all = HeaderMap::new();
            for text in accepted {
                all.append(header::ACCEPT, HeaderValue::from_static(text));
            }
            Sent::of(&tenant.parse().unwrap(), &uri.parse().unwrap(), &all)
        };
        let one = sent("acme", "/a?b=1", &[]).unwrap();
        assert_eq!(sent("acme", "http://host/a?b=1", &[]), Some(one.clone()));
        for accepted in [
            &["*/*"][..],
            &["application/json, text/plain, */*"],
            &["text/html", "application/*;q=0.8"],
        ] {
            assert_eq!(sent("acme", "/a?b=1", accepted), Some(one.clone()), "{accepted:?}");
        }
        for (tenant, uri) in [("acm", "/a?b=1"), ("acme", "/a?b=2"), ("acme", "/a")] {
            assert_ne!(sent(tenant, uri, &[]).unwrap(), one);
        }
        assert_eq!(sent("acme", "/a?b=1", &["text/csv"]), None);
        assert_eq!(sent("acme", &format!("/{}", "a".repeat(MOST_BYTES)), &[]), None);
    }

    fn question() -> Question {
        let subject = Subject::Job(persistence_layer::batches::BatchRef {
            tenant: Tenant::default(),
            id: persistence_layer::batches::BatchId::generate(),
        });
        Question::new(subject, "q".to_owned(), "/r")
    }

    #[test]
    fn questions_take_no_more_than_their_room() {
        let most = 10 * (OTHER_BYTES + 100);
        let questions = Questions::new(most as u64);
        let sent = |number: usize| {
            let uri = format!("/{number}").parse().unwrap();
            Sent::of(&Tenant::default(), &uri, &HeaderMap::new()).unwrap()
        };
        for number in 0..100 {
            // Twice, as by two who ask at once.
            for _ in 0..2 {
                questions.learn(sent(number), Arc::new(question()));
            }
            assert!(questions.get(&sent(number)).is_some());
            let known = questions.known.read().unwrap();
            assert!(known.bytes <= most, "{}", known.bytes);
            assert_eq!(known.bytes / known.questions.len() / 100, OTHER_BYTES / 100);
        }
        assert!(questions.get(&sent(0)).is_none());
    }

    #[test]
    fn a_key_is_made_once_for_a_version() {
        let question = question();
        let key = |version, key: &str| {
            question.key(version, Mark::default(), || key.to_owned()).to_string()
        };
        assert_eq!(
            [key("1", "a"), key("1", "b"), key("2", "c"), key("1", "d")],
            ["a", "a", "c", "d"]
        );
    }
}
