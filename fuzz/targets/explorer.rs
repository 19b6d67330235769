//! Answers of an explorer of the Etherscan dialect.

#![no_main]

pnl_fuzz::target!(chain_client::fuzzing::explorer);
