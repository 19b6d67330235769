//! Answers of an EVM node, and what the parser makes of the transaction composed of them.

#![no_main]

pnl_fuzz::target!(|input: &[u8]| {
    if let Some(composed) = chain_client::fuzzing::evm_node(input) {
        pnl_fuzz::evm::check(&composed);
    }
});
