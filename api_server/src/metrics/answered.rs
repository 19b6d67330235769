//! What is known of a request when its answer goes out.

use std::time::Duration;

use persistence_layer::Tenant;
use service_runtime::trace::TraceId;

use crate::slo::RouteClass;

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Its method, of a small set.
    pub method: &'static str,
    /// The route that it matched.
    pub route: &'static str,
    /// What is expected of its time.
    pub class: RouteClass,
    /// The status of the answer.
    pub status: u16,
    /// From the head of the request to the head of the answer.
    pub took: Duration,
    /// Whose it was, where that is known.
    pub tenant: Option<&'a Tenant>,
    /// Its trace, where it has one.
    pub trace_id: Option<TraceId>,
}

impl Answered<'_> {
    /// Whether the log has a line of it: not of probes and scrapes that went well, which would drown the rest.
    pub fn is_logged(&self) -> bool {
        self.status >= 400 || !matches!(self.route, "/health" | "/metrics")
    }
}
