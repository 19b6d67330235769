//! What a transaction did, on a chain of the EVM.

#![no_main]

pnl_fuzz::target!(pnl_fuzz::evm::check);
