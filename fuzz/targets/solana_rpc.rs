//! Answers of a Solana node.

#![no_main]

pnl_fuzz::target!(chain_client::fuzzing::solana_rpc);
