//! The store on a real PostgreSQL server; each test has a database of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod support;
mod work;

mod admission;
mod api_keys;
mod bus;
mod causes;
mod chain_data;
mod continuous;
mod control;
mod ends;
mod events;
mod fairness;
mod groups;
mod leases;
mod ledgers;
mod of_job;
mod operators;
mod plans;
mod pooler;
mod prices;
mod put_off;
mod queue;
mod races;
mod redis;
mod results;
mod retention;
mod retention_steps;
mod rounds;
mod schema;
mod server;
mod snapshot_retention;
mod summary;
mod tenants;
mod together;
mod waiting;
mod webhooks;
