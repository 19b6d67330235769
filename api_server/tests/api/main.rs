//! The HTTP interface on real PostgreSQL, with a recorded node as the chain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod bad_input;
mod batches;
mod best;
mod cache;
mod conditional;
mod continuous;
mod contract;
mod cors;
mod diff;
mod disposals;
mod evm;
mod exports;
mod group;
mod health;
mod limits;
mod lines;
mod live;
mod load;
mod metrics;
mod open_metrics;
mod paging;
mod performance;
mod protocol;
mod recorded;
mod reports;
mod results;
mod results_lists;
mod series;
mod sockets;
mod support;
mod tenants;
mod timeouts;
mod views;
mod waiting;
mod wallets;
mod warm_up;
mod webhooks;
mod what_if;
