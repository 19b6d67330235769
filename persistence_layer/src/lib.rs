//! The only crate with SQL: PostgreSQL, where the truth is, and Redis, which holds nothing that
//! cannot be rebuilt.
//!
//! [`Store`] is a cheap clone over one connection pool. Each function of a module runs one
//! transaction and speaks domain types:
//! - [`schema`]: the embedded migrations;
//! - [`api_keys`], [`tenant`]: who may ask, and whose things are whose;
//! - [`batches`]: submit under admission, status, cancel, retry;
//! - [`wallet_tasks`]: the job queue - claim, heartbeat, end, sweep;
//! - [`watched_wallets`], [`continuous`]: wallets that are analyzed again and again, and the rounds of that;
//! - [`job_events`]: what happens to jobs, in order; [`bus`]: hints that something did;
//! - [`webhooks`]: what is told of them to receivers elsewhere;
//! - [`chain_data`]: signature lists, raw transactions, balance snapshots;
//! - [`wallet_work`]: what an attempt at a long wallet leaves for the next one;
//! - [`prices`], [`ledgers`], [`results`]: what is computed from them;
//! - [`retention`]: removes what its time is over;
//! - [`bench_data`]: made-up results, to measure with;
//! - [`processes`], [`queue_report`]: what operators look at; [`operator_actions`]: what they have asked for;
//! - [`redis`], [`redis_monitor`]: the connection to Redis, and whether it is there;
//! - [`pooler`]: whether a connection pooler before the server can be used;
//! - [`server`]: what the database server says of itself;
//! - [`upkeep`]: what it says of our tables, and the work that keeps them small;
//! - [`metrics`]: what the pool and the transactions report.
//!
//! # Through a connection pooler
//! Every statement runs in an explicit transaction and nothing outlives it: limits are `SET LOCAL`,
//! locks are row locks or transaction-level advisory locks. So the pool may point at PgBouncer in
//! transaction mode (1.21 or newer with `max_prepared_statements` above 0), which [`pooler`] makes
//! sure of. Notifications do not pass such a pooler: they take the direct way when there is one. Else
//! nobody listens, and the workers' poll covers for them.
//!
//! # With a replica
//! [`Store::reading`] leads to a streaming replica that is near enough, for reads that may be a little
//! behind. What never changes once it is there, such as chunks of ledgers, is read there by itself.

#[cfg(feature = "queries")]
pub mod api_keys;
#[cfg(feature = "queries")]
pub mod batches;
#[cfg(feature = "queries")]
pub mod bench_data;
#[cfg(feature = "queries")]
pub mod bus;
#[cfg(feature = "queries")]
pub mod chain_data;
#[cfg(feature = "queries")]
pub mod continuous;
#[cfg(feature = "queries")]
mod convert;
pub mod error;
#[cfg(feature = "queries")]
pub mod estimates;
#[cfg(feature = "queries")]
pub mod groups;
#[cfg(feature = "queries")]
pub mod job_events;
#[cfg(feature = "queries")]
pub mod ledgers;
#[cfg(feature = "queries")]
pub mod maintenance;
pub mod metrics;
#[cfg(feature = "queries")]
pub mod operator_actions;
pub mod pooler;
#[cfg(feature = "queries")]
pub mod prices;
#[cfg(feature = "queries")]
pub mod processes;
#[cfg(feature = "queries")]
pub mod queue_report;
pub mod redis;
pub mod redis_monitor;
#[cfg(feature = "queries")]
pub mod results;
#[cfg(feature = "queries")]
pub mod retention;
pub mod schema;
pub mod server;
pub mod settings;
pub mod store;
#[cfg(feature = "queries")]
pub mod tenant;
#[doc(hidden)]
pub mod test_util;
#[cfg(feature = "queries")]
mod together;
pub mod upkeep;
pub mod wakeups;
#[cfg(feature = "queries")]
pub mod wallet_tasks;
#[cfg(feature = "queries")]
pub mod wallet_work;
#[cfg(feature = "queries")]
pub mod watched_wallets;
#[cfg(feature = "queries")]
pub mod webhooks;

pub use error::{Cause, StoreError};
pub use settings::{Judgement, ReplicaSettings, ServerBudget, StoreSettings};
pub use store::{PoolMetrics, ReplicaState, Store, Trouble, check_replica};
#[cfg(feature = "queries")]
pub use tenant::Tenant;
