//! The store on a real PostgreSQL server; each test has a database of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod support;
mod work;

mod admission;
mod chain_data;
mod control;
mod ends;
mod fairness;
mod leases;
mod ledgers;
mod prices;
mod queue;
mod redis;
mod results;
mod schema;
mod server;
