//! Batches worked on by real workers, on a real PostgreSQL, against a recorded Solana node.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]
#![allow(clippy::print_stdout, reason = "a skip must be seen")]

mod support;

mod bundles;
mod care;
mod crashes;
mod evm;
mod evm_tokens;
mod gone;
mod meddling;
mod put_off;
mod reads;
mod recorded;
mod reports;
mod waiting;
mod workers;
