//! What a transaction did, on Solana.

#![no_main]

pnl_fuzz::target!(pnl_fuzz::solana::check);
