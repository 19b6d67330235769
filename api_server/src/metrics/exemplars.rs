//! Requests that stand for the others of their bucket: by the trace id of one, its lines in the log are found.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::Utc;
use prometheus::proto::Metric;
use service_runtime::trace::TraceId;

use super::{Answered, BOUNDS, LABELS};

/// The labels of a series, in the order of [`LABELS`].
type Series = [&'static str; LABELS.len()];

/// One request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exemplar {
    /// Its trace.
    pub trace_id: TraceId,
    /// The time it took.
    pub seconds: f64,
    /// When it was answered, Unix time.
    pub at_ms: i64,
}

/// A recent request of each bucket, the last one being that beyond all bounds.
#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<BySeries>);

type BySeries = HashMap<Series, [Option<Exemplar>; BOUNDS.len() + 1]>;

/// Those of a moment.
pub(super) struct Snapshot(BySeries);

impl Exemplars {
    /// Takes up an answered request. Nobody waits for that: while another one is taken up, or they are looked at,
    /// there is none.
    pub fn note(&self, answered: &Answered<'_>) {
        // Of probes and scrapes the log has no line.
        let Some(trace_id) = answered.trace_id.filter(|_| answered.is_logged()) else { return };
        let seconds = answered.took.as_secs_f64();
        let Ok(mut kept) = self.0.try_lock() else { return };
        let exemplar = Exemplar { trace_id, seconds, at_ms: Utc::now().timestamp_millis() };
        let series = [answered.method, answered.route, answered.class.as_str()];
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        kept.entry(series).or_default()[bucket] = Some(exemplar);
    }

    /// Those until now, which are counted already.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Snapshot {
    /// The one of a bucket of a series with these labels.
    pub fn of(&self, metric: &Metric, bucket: usize) -> Option<Exemplar> {
        let value = |name: &str| {
            let mut labels = metric.get_label().iter();
            labels.find(|label| label.name() == name).map(|label| label.value())
        };
        let [method, route, class] = LABELS.map(value);
        *self.0.get(&[method?, route?, class?])?.get(bucket)?
    }
}
