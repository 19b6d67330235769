//! Logging a thing that works or does not: once per change, not once per try.

use std::error::Error;

use service_runtime::telemetry::Chain;

/// Remembers whether the last try worked.
#[derive(Debug)]
pub(crate) struct StateLog {
    failing: bool,
    when_failing: &'static str,
    when_working: &'static str,
}

impl StateLog {
    /// Assumes that it works. The texts are logged when that changes.
    pub const fn new(when_failing: &'static str, when_working: &'static str) -> Self {
        Self { failing: false, when_failing, when_working }
    }

    /// The last try worked.
    pub fn works(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!("{}", self.when_working);
        }
    }

    /// The last try failed.
    pub fn fails(&mut self, error: &dyn Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(error = %Chain(error), "{}", self.when_failing);
        }
    }
}
