//! Measurements of the service against stated limits. Each is a command of the program `load` that
//! prints its figures and fails when one misses its limit.
//!
//! What lives where: [`figures`] prints and judges, [`memory`] samples, [`site`] is where a run
//! happens (servers, chain, service), [`jobs`] follows jobs, [`processor`] counts processor time; every
//! other module is one command.

pub mod big_batch;
pub mod big_wallet;
pub mod claim_plan;
pub mod export;
pub mod figures;
pub mod jobs;
pub mod live;
pub mod memory;
pub mod overhead;
pub mod processor;
pub mod ratios;
pub mod site;
pub mod soak;
pub mod upgrade;
pub mod what_if;

pub use figures::Figures;
