//! Answers of a price source, and price tables.

#![no_main]

pnl_fuzz::target!(chain_client::fuzzing::prices);
