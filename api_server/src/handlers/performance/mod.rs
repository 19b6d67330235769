//! `/api/performance/…`: what operators ask of a running process.

mod capacity;
mod cost;
mod optimize;
mod purge;
mod snapshot;
mod traffic;

pub use capacity::{CapacityView, capacity};
pub use cost::{CostView, cost};
pub use optimize::{Optimizing, View as OptimizationView, optimize};
pub use purge::{View as PurgeView, purge};
pub use snapshot::{Snapshot, snapshot};
pub use traffic::traffic;
