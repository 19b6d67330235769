//! The HTTP interface and the subcommands of `pnl-tracker`.
//!
//! A handler decodes, calls one function and encodes; decisions live in `job_orchestrator`, rows in
//! `persistence_layer`, numbers in `pnl_core`.
//!
//! What lives where:
//! - [`routes`]: every route with its description; [`router`]: what is around them; [`openapi`]: the
//!   document made of the descriptions; [`handlers`]: what routes do; [`dto`]: what they read and write;
//! - [`error`], [`problems`]: the one form of an error; [`json`], [`extract`], [`cursor`]: checked
//!   input;
//! - [`keys`], [`client`], [`limiter`], [`load`]: who asks, how often, and how much at a time; [`answers`]: those that were given already, to which
//!   [`questions`], [`front`], where they are given again at once, [`warm_up`], where they are made ahead, and [`purges`], as which they are forgotten;
//! - [`middleware`]: ids, access log, limits, time limit, tags, compression, the gate before the database; [`metrics`];
//!   [`listener`]: connections, over the byte stream of `wire`, and `descriptors`, which they take; [`monitor`]: whether the database answers;
//! - [`cli`], [`commands`], [`serve`]: the program; [`app`]: what handlers reach; [`database`]:
//!   opening it; [`fleet`]: what all processes say of themselves; [`queue`]: how much waits;
//! - [`waiting`]: requests that wait for a job; [`live`]: clients that follow one.

pub mod answers;
pub mod app;
pub mod cli;
pub mod client;
pub mod commands;
pub mod cursor;
pub mod database;
mod descriptors;
pub mod dto;
pub mod error;
pub mod export;
pub mod extract;
pub mod fleet;
pub mod front;
pub mod handlers;
pub mod json;
pub mod keys;
pub mod limiter;
pub mod listener;
pub mod live;
pub mod load;
pub mod looks;
pub mod metrics;
pub mod middleware;
pub mod monitor;
pub mod openapi;
pub mod orders;
pub mod performance;
pub mod problems;
pub mod purges;
pub mod questions;
pub mod queue;
pub mod router;
pub mod routes;
pub mod serve;
pub mod signing;
pub mod slo;
pub mod versions;
pub mod waiting;
pub mod warm_up;
mod wire;
