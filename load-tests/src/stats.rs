//! What the node was asked.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Counts since the start or the last reset, by endpoint (`/solana`, `/llama`) and method.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// HTTP requests that arrived, those struck by a fault included.
    pub requests: BTreeMap<String, u64>,
    /// Calls that were answered, as `<endpoint> <method>`; each call of a batch counts.
    pub calls: BTreeMap<String, u64>,
    /// Faults given, by kind.
    pub faults: BTreeMap<String, u64>,
    /// The most calls that arrived in any sliding second, by endpoint.
    pub max_rps: BTreeMap<String, u64>,
    #[serde(skip)]
    arrivals: HashMap<String, VecDeque<Instant>>,
}

impl Stats {
    /// How often `method` was answered, on any endpoint.
    pub fn calls_of(&self, method: &str) -> u64 {
        let suffix = format!(" {method}");
        self.calls.iter().filter(|(name, _)| name.ends_with(&suffix)).map(|(_, n)| n).sum()
    }

    /// How often any fault was given.
    pub fn faults_given(&self) -> u64 {
        self.faults.values().sum()
    }

    pub(crate) fn arrived(&mut self, endpoint: &str, calls: usize) {
        *self.requests.entry(endpoint.to_owned()).or_default() += 1;
        let now = Instant::now();
        let seen = self.arrivals.entry(endpoint.to_owned()).or_default();
        seen.extend(std::iter::repeat_n(now, calls));
        while seen.front().is_some_and(|&first| now - first >= Duration::from_secs(1)) {
            seen.pop_front();
        }
        let most = self.max_rps.entry(endpoint.to_owned()).or_default();
        *most = (*most).max(seen.len() as u64);
    }

    pub(crate) fn answered(&mut self, endpoint: &str, method: &str) {
        *self.calls.entry(format!("{endpoint} {method}")).or_default() += 1;
    }

    pub(crate) fn struck(&mut self, fault: &str) {
        *self.faults.entry(fault.to_owned()).or_default() += 1;
    }
}
