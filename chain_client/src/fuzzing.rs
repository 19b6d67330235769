//! Entries for the fuzz targets: every reader of a provider's answer, given bytes instead of a
//! connection. Only there with feature `fuzzing`; nothing of it is part of the service.
//!
//! An answer of a node is read as the answer to call number [`CALL`]. What such a call asked about
//! stands beside the result in members of its own, which readers skip.

use pnl_core::{Address, TxId};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json_rpc::{Reply, RpcCall};
use crate::{evm, prices, solana_rpc};

/// The number of the call that is answered.
pub const CALL: u64 = 1;

/// What was asked about.
#[derive(Deserialize)]
struct Asked<'a> {
    /// A wallet or a transaction.
    #[serde(default)]
    asked: String,
    /// EVM: the transaction whose receipt or trace is the result.
    #[serde(borrow, default)]
    transaction: Option<&'a RawValue>,
}

/// An answer of a Solana node.
pub fn solana_rpc(body: &[u8]) {
    let Some((asked, reply)) = read(body) else { return };
    let Reply::Result(result) = reply else { return };
    let (wallet, tx_id) = (Address::from_chain_data(&asked.asked), TxId::new(&asked.asked));
    let _ = solana_rpc::read_u64(result);
    let _ = solana_rpc::read_i64(result);
    let _ = solana_rpc::read_balance(result);
    let _ = solana_rpc::read_signatures(result, None);
    let _ = solana_rpc::read_signatures(result, Some(&tx_id));
    for program in [solana_rpc::TOKEN_PROGRAM, solana_rpc::TOKEN_2022_PROGRAM] {
        let _ = solana_rpc::read_token_accounts(&wallet, program, result);
    }
    if let Ok(raw) = solana_rpc::read_transaction(&tx_id, Some(result)) {
        assert_eq!(raw.json, result.get().as_bytes(), "the node's bytes are kept");
    }
}

/// An answer of an EVM node. Answers with the transaction in the parser's form, where the result is
/// the receipt of `transaction`.
pub fn evm_node(body: &[u8]) -> Option<Vec<u8>> {
    let (asked, reply) = read(body)?;
    evm::fuzzing::node(&asked.asked, asked.transaction, &reply)
}

/// An answer of an explorer.
pub fn explorer(body: &[u8]) {
    evm::fuzzing::explorer(body);
}

/// An answer of a price source, and a price table.
pub fn prices(body: &[u8]) {
    prices::fuzzing::read(body);
}

/// Reads the envelope, alone and in a batch.
fn read(body: &[u8]) -> Option<(Asked<'_>, Reply<'_>)> {
    let call = RpcCall::numbered("fuzzed", CALL);
    let _ = call.result(body);
    let calls = [RpcCall::numbered("fuzzed", CALL), RpcCall::numbered("fuzzed", CALL + 1)];
    if let Ok(answers) = RpcCall::batch_answers(&calls, body) {
        assert_eq!(answers.len(), calls.len());
    }
    let reply = call.answer(body).ok()?;
    Some((serde_json::from_slice(body).ok()?, reply))
}
