//! The HTTP interface on real PostgreSQL, with a recorded node as the chain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auth;
mod bad_input;
mod batches;
mod cache;
mod conditional;
mod contract;
mod diff;
mod disposals;
mod evm;
mod group;
mod health;
mod limits;
mod live;
mod paging;
mod protocol;
mod recorded;
mod reports;
mod results;
mod series;
mod support;
mod tenants;
mod views;
mod waiting;
mod wallets;
mod what_if;
