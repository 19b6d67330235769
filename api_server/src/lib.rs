//! The HTTP interface and the subcommands of `pnl-tracker`.
//!
//! A handler decodes, calls one function and encodes; decisions live in `job_orchestrator`, rows in
//! `persistence_layer`, numbers in `pnl_core`.
//!
//! What lives where:
//! - [`error`], [`problems`]: the one form of an error; [`json`], [`extract`], [`cursor`]: checked
//!   input; [`dto`]: what goes over the wire;
//! - [`middleware`]: ids, access log, time limit; [`metrics`]; [`listener`]: connections.

pub mod cursor;
pub mod dto;
pub mod error;
pub mod extract;
pub mod json;
pub mod listener;
pub mod metrics;
pub mod middleware;
pub mod problems;
