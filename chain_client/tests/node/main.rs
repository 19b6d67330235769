//! The client against a node that answers, and fails, like a real one: the recorded node on the
//! loopback interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod budget;
mod evm;
mod evm_lists;
mod evm_reach;
mod failover;
mod faults;
mod prices;
mod recorded;
mod solana;
