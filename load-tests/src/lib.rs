//! A loopback endpoint of Solana and EVM chains that serves recorded transactions, for the demo, for tests of other
//! crates and for load runs.
//!
//! It answers like a real node does, and it can be told to fail like one: see [`Faults`]. It counts
//! what it is asked: see [`Stats`].
//!
//! What lives where: [`chain`] puts recorded ([`recorded`]) and made-up ([`synthetic`]) wallets
//! behind one face, [`evm`] does so for EVM chains and their explorers, `rpc` speaks JSON-RPC, [`prices`] the dialect of DefiLlama, [`faults`] decides
//! what goes wrong, [`node`] serves it all. [`service`] runs the programs under test beside it, [`mod@bench`]
//! measures them.

pub mod bench;
pub mod chain;
pub mod chaos;
pub mod evm;
pub mod faults;
pub mod node;
pub mod prices;
pub mod recorded;
pub mod service;
pub mod stats;
pub mod stop;
pub mod synthetic;

mod rpc;

pub use chain::RecordedChain;
pub use evm::EvmChain;
pub use faults::{FaultKind, Faults};
pub use node::RecordedNode;
pub use stats::Stats;
pub use synthetic::SyntheticPlan;
