//! Batches and their wallets: accepted, claimed, worked on, finished.
//!
//! The database is the engine: a batch is rows, a wallet is a task with a lease and a fence, and any
//! process may die at any moment. What lives where:
//! - [`batch`], [`request`]: accepting, cancelling and retrying batches; what they ask for;
//! - [`driver`]: the claim loop of a process - slots, leases, drain (here a wallet is claimed);
//! - `worker`, `stages`: one wallet from its pin to its stored result;
//! - [`outcome`]: what the end of an attempt costs, in one table;
//! - `heartbeat`, `rescuer`: keeping leases, and taking over those of the dead;
//! - [`care`]: retention, on time;
//! - [`continuous`]: rounds of watched wallets, on time;
//! - [`webhooks`]: telling receivers of the end of jobs;
//! - [`outage`]: chains whose providers are all down;
//! - [`wallets`]: results of any method from stored ledgers;
//! - [`sources`]: endpoints, prices and rules as configured; [`probes`]: asking each of them once;
//! - [`tools`]: what the subcommands of the program need;
//! - [`metrics`], [`status`], [`reports`]: what this crate reports.
//!
//! What does not live here: HTTP, SQL, and any rule of accounting or parsing.

mod attempt;
pub mod batch;
pub mod care;
mod compute;
pub mod continuous;
pub mod driver;
pub mod error;
pub mod estimate;
mod heartbeat;
mod in_flight;
pub mod metrics;
pub mod outage;
pub mod outcome;
mod pnl_document;
pub mod probes;
pub mod reports;
pub mod request;
mod rescuer;
mod room;
mod running;
pub mod sources;
mod stages;
pub mod status;
pub mod tools;
pub mod wallets;
mod watch_state;
pub mod webhooks;
mod worker;

pub use batch::{Accepted, BatchError, BatchRules, Batches, IdempotencyKey, NewBatchRequest};
pub use driver::{Worker, WorkerDeps};
pub use metrics::Metrics;
pub use request::{Analysis, Preset, TimeRange, Within};
pub use rescuer::sweep_only;
pub use sources::Sources;
