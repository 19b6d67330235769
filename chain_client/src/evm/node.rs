//! Blocks, transactions and receipts: how a node is asked and how its answers are read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use pnl_core::{Chain, RawTransaction, TxId};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::refusal::of_error;
use super::traces::InternalTransfer;
use super::{BlockHead, Wanted, explorer};
use crate::endpoint::{Outgoing, Proof};
use crate::failure::{Failure, Scope};
use crate::json_rpc::{Reply, RpcCall};

/// Code of the refusal to take a receipt of Base without the part of its fee that pays for the first
/// layer: another node may have it.
pub(super) const L1_FEE_MISSING: &str = "l1-fee-missing";
/// Type of the transactions that the first layer makes: nobody pays for them.
const DEPOSIT_TYPE: u64 = 0x7e;
/// Gas of a call without data that ran no code. Any other amount may be what a refund has left of more,
/// so the parser, who knows the chain's refunds, asks for no more transfers than are fetched here.
const PLAIN_GAS: u64 = 21_000;

pub(super) fn get_block_number() -> RpcCall {
    RpcCall::new("eth_blockNumber", json!([]))
}

/// Code of the refusal to take anything from a provider of another chain than it is configured for.
pub(super) const WRONG_CHAIN: &str = "provider-wrong-chain";

/// The question for a node's chain, which must be this one. A node that does not know the question is
/// believed: its transactions name their chain.
pub(super) fn proof_of_chain(chain: Chain) -> Proof {
    let call = RpcCall::new("eth_chainId", json!([]));
    let (method, request) = (call.method, Outgoing::Post(call.body.clone()));
    let read = move |body: &[u8]| match result(&call.answer(body)?) {
        Ok(id) if read_quantity(id)?.to_string() == explorer::chain_id(chain) => Ok(()),
        Ok(id) => {
            let expected = explorer::chain_id(chain);
            let detail = format!(
                "the node serves chain {}, not {expected} ({chain}); correct the provider's url",
                id.get()
            );
            Err(Failure::Refused { code: WRONG_CHAIN, detail, scope: Scope::Provider })
        }
        Err(Failure::Refused { code: "method-not-found", .. }) => Ok(()),
        Err(failure) => Err(failure),
    };
    Proof { method, request, read: Box::new(read) }
}

/// A block by its number, or by a tag.
pub(super) fn get_block(tag: &str) -> RpcCall {
    RpcCall::new("eth_getBlockByNumber", json!([tag, false]))
}

pub(super) fn hex(number: u64) -> String {
    format!("{number:#x}")
}

/// The result of an answer that no error object is; null is missing.
pub(super) fn result<'a>(reply: &Reply<'a>) -> Result<&'a RawValue, Failure> {
    match reply {
        Reply::Result(result) if result.get() == "null" => Err(Failure::Missing),
        Reply::Result(result) => Ok(result),
        Reply::Error { code, message } => Err(of_error(*code, message)),
    }
}

/// What follows `0x`, or `0X`.
pub(super) fn digits(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

/// A number in hexadecimal digits, as nodes write all of theirs.
pub(super) fn quantity(text: &str) -> Result<u64, Failure> {
    let digits = digits(text).ok_or_else(|| Failure::malformed("no quantity"))?;
    u64::from_str_radix(digits, 16).map_err(Failure::malformed)
}

pub(super) fn read_quantity(result: &RawValue) -> Result<u64, Failure> {
    let text: String = serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    quantity(&text)
}

/// `0x` and 64 digits, in lower case.
pub(super) fn hash(text: &str) -> Result<String, Failure> {
    let digits = digits(text).unwrap_or_default();
    if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Failure::malformed("no hash of 32 bytes"))
}

pub(super) fn read_head(result: &RawValue) -> Result<BlockHead, Failure> {
    #[derive(Deserialize)]
    struct Block {
        number: String,
        hash: String,
        timestamp: String,
    }
    let block: Block = serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    Ok(BlockHead {
        number: quantity(&block.number)?,
        hash: hash(&block.hash)?,
        time: i64::try_from(quantity(&block.timestamp)?).map_err(Failure::malformed)?,
    })
}

/// The answer to the question for the block of this number.
pub(super) fn read_block(number: u64, reply: &Reply<'_>) -> Result<BlockHead, Failure> {
    let head = read_head(result(reply)?)?;
    let is_it = head.number == number;
    is_it.then_some(head).ok_or_else(|| Failure::malformed("another block"))
}

/// A transaction as the node gives it, and what must be known of it here.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    pub json: Box<RawValue>,
    pub block: u64,
    pub block_hash: String,
    /// Sender, receiver and value of the call itself.
    pub call: (String, String, String),
    kind: Option<u64>,
    has_data: bool,
}

/// The members that are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeOutline {
    hash: String,
    block_number: Option<String>,
    block_hash: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    input: Option<String>,
    /// The name that some nodes give the input.
    #[serde(default)]
    data: Option<String>,
    from: String,
    to: Option<String>,
    value: String,
}

pub(super) fn read_envelope(asked: &Wanted, result: &RawValue) -> Result<Envelope, Failure> {
    let outline: EnvelopeOutline =
        serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    if hash(&outline.hash)? != asked.tx_id.as_str() {
        return Err(Failure::malformed("another transaction than the one asked for"));
    }
    // Known, but in no block: a node that is behind.
    let (Some(block), Some(block_hash)) = (outline.block_number, outline.block_hash) else {
        return Err(Failure::Missing);
    };
    let input = outline.input.or(outline.data);
    let input = input.ok_or_else(|| Failure::malformed("a transaction without input"))?;
    Ok(Envelope {
        json: result.to_owned(),
        block: quantity(&block)?,
        block_hash: hash(&block_hash)?,
        call: (outline.from, outline.to.unwrap_or_default(), outline.value),
        kind: outline.kind.as_deref().map(quantity).transpose()?,
        has_data: input.len() > 2,
    })
}

/// A receipt as the node gives it.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub json: Box<RawValue>,
    block_hash: String,
    gas_used: u64,
    failed: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReceiptOutline<'a> {
    transaction_hash: String,
    block_hash: String,
    gas_used: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(borrow, default)]
    l1_fee: Option<&'a RawValue>,
    #[serde(borrow)]
    logs: Vec<&'a RawValue>,
}

/// Reads the receipt of `envelope`. `l1_fee`: one that should name it and does not is refused.
pub(super) fn read_receipt(
    asked: &Wanted,
    envelope: &Envelope,
    l1_fee: bool,
    result: &RawValue,
) -> Result<Receipt, Failure> {
    let outline: ReceiptOutline<'_> =
        serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    if hash(&outline.transaction_hash)? != asked.tx_id.as_str() {
        return Err(Failure::malformed("the receipt of another transaction"));
    }
    let block_hash = hash(&outline.block_hash)?;
    if block_hash != envelope.block_hash {
        return Err(Failure::malformed("transaction and receipt are in different blocks"));
    }
    // The logs are read as far as to know that they are a list.
    let _ = outline.logs.len();
    let kind = outline.kind.as_deref().map(quantity).transpose()?;
    let is_deposit = envelope.kind.or(kind) == Some(DEPOSIT_TYPE);
    if l1_fee && !is_deposit && outline.l1_fee.is_none_or(|fee| fee.get() == "null") {
        let detail = format!("the receipt of {} has no l1Fee", asked.tx_id);
        return Err(Failure::Refused { code: L1_FEE_MISSING, detail, scope: Scope::Provider });
    }
    Ok(Receipt {
        json: result.to_owned(),
        block_hash,
        gas_used: quantity(&outline.gas_used)?,
        failed: outline.status.as_deref() == Some("0x0"),
    })
}

/// Reads those receipts of a block that belong to the wanted transactions at `places`.
pub(super) fn read_block_receipts(
    wanted: &[Wanted],
    envelopes: &[Envelope],
    places: &[usize],
    l1_fee: bool,
    result: &RawValue,
) -> Result<Vec<(usize, Receipt)>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        transaction_hash: String,
    }
    let all: Vec<&RawValue> = serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    let mut by_hash = BTreeMap::new();
    for receipt in all {
        let named: Named = serde_json::from_str(receipt.get()).map_err(Failure::malformed)?;
        by_hash.insert(hash(&named.transaction_hash)?, receipt);
    }
    let read = |place: &usize| {
        let receipt = by_hash.get(wanted[*place].tx_id.as_str()).ok_or(Failure::Missing)?;
        Ok((*place, read_receipt(&wanted[*place], &envelopes[*place], l1_fee, receipt)?))
    };
    places.iter().map(read).collect()
}

/// Whether contracts may have sent coins in it.
pub(super) fn could_send(envelope: &Envelope, receipt: &Receipt) -> bool {
    !receipt.failed && (envelope.has_data || receipt.gas_used != PLAIN_GAS)
}

/// What is known of the transfers between contracts in a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Internal<'a> {
    Known(&'a [InternalTransfer]),
    /// Nobody wants to know, or there cannot be any.
    NotAsked,
    /// No provider could tell.
    Unavailable,
}

/// How a transaction ends of which nobody asked for the transfers between contracts, how one of which
/// nobody could tell them, and how one that has none.
const NOT_ASKED: &str = r#""internal_transfers":null}"#;
const UNAVAILABLE: &str = r#""internal_transfers":null,"traces":"unavailable"}"#;
const NONE: &str = r#""internal_transfers":[]}"#;

/// The text of a fetched transaction for one wallet. Transfers between contracts that nobody asked for
/// cannot be; those that nobody could tell are none where `no_coins` says that no contract sent the
/// wallet coins.
pub fn with_internal(raw: &RawTransaction, no_coins: bool) -> Cow<'_, [u8]> {
    let not_asked = raw.json.strip_suffix(NOT_ASKED.as_bytes());
    let unavailable = || raw.json.strip_suffix(UNAVAILABLE.as_bytes()).filter(|_| no_coins);
    match not_asked.or_else(unavailable) {
        Some(head) => Cow::Owned([head, NONE.as_bytes()].concat()),
        None => Cow::Borrowed(&raw.json),
    }
}

fn ending(internal: &Internal<'_>) -> Result<String, Failure> {
    Ok(match internal {
        Internal::Known(rows) => {
            let rows = serde_json::to_string(rows).map_err(Failure::malformed)?;
            format!(r#""internal_transfers":{rows}}}"#)
        }
        Internal::NotAsked => NOT_ASKED.to_owned(),
        // A wallet whose coins it concerns must not take it for none.
        Internal::Unavailable => UNAVAILABLE.to_owned(),
    })
}

/// What must be known here of a transaction that was composed earlier.
pub(super) fn read_stored(asked: &Wanted, raw: &RawTransaction) -> Result<Envelope, Failure> {
    #[derive(Deserialize)]
    struct Stored<'a> {
        #[serde(borrow)]
        transaction: &'a RawValue,
    }
    let stored: Stored<'_> = serde_json::from_slice(&raw.json).map_err(Failure::malformed)?;
    read_envelope(asked, stored.transaction)
}

/// The same transaction with what is known now of the transfers between contracts, where nothing was.
pub(super) fn retold(
    raw: &RawTransaction,
    internal: &Internal<'_>,
) -> Result<RawTransaction, Failure> {
    let mut told = raw.clone();
    let endings = [NOT_ASKED, UNAVAILABLE].into_iter();
    let head = endings.filter_map(|ending| raw.json.strip_suffix(ending.as_bytes())).next();
    if let Some(head) = head {
        told.json = [head, ending(internal)?.as_bytes()].concat();
    }
    Ok(told)
}

/// The parts of a transaction as one text, in the form that the parser reads.
pub(super) fn compose(
    chain: Chain,
    tx_id: &TxId,
    head: &BlockHead,
    envelope: &Envelope,
    receipt: &Receipt,
    internal: &Internal<'_>,
) -> Result<RawTransaction, Failure> {
    if head.hash != receipt.block_hash {
        let detail = format!("{tx_id} is in another block {} than the chain has", head.number);
        return Err(Failure::Transient(detail));
    }
    let internal = ending(internal)?;
    let (transaction, receipt) = (envelope.json.get(), receipt.json.get());
    let json = format!(
        r#"{{"transaction":{transaction},"receipt":{receipt},"block_timestamp":{},{internal}"#,
        head.time
    );
    Ok(RawTransaction {
        chain,
        tx_id: tx_id.clone(),
        block: head.number,
        block_time: Some(head.time),
        json: json.into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transaction with what is known of its transfers between contracts.
    fn composed(internal: &Internal<'_>) -> RawTransaction {
        let (hash, block_hash) = (format!("0x{:064x}", 1), format!("0x{:064x}", 2));
        let raw = |value: serde_json::Value| RawValue::from_string(value.to_string()).unwrap();
        let wanted = Wanted { tx_id: TxId::new(&hash), block: 1, traced: true };
        let transaction = raw(json!({"hash": hash, "blockNumber": "0x1", "blockHash": block_hash,
            "input": "0x00", "from": "0xa", "to": "0xb", "value": "0x9"}));
        let envelope = read_envelope(&wanted, &transaction).unwrap();
        let receipt = raw(json!({"transactionHash": hash, "blockHash": block_hash,
            "gasUsed": "0x1", "logs": []}));
        let receipt = read_receipt(&wanted, &envelope, false, &receipt).unwrap();
        let head = BlockHead { number: 1, hash: block_hash, time: 7 };
        compose(Chain::Ethereum, &wanted.tx_id, &head, &envelope, &receipt, internal).unwrap()
    }

    #[test]
    fn transfers_that_nobody_could_tell_are_none_only_for_a_wallet_without_coins_there() {
        let none = serde_json::Value::Array(Vec::new());
        for (internal, no_coins, read) in [
            (Internal::NotAsked, false, &none),
            (Internal::NotAsked, true, &none),
            (Internal::Known(&[]), false, &none),
            (Internal::Unavailable, true, &none),
            (Internal::Unavailable, false, &serde_json::Value::Null),
        ] {
            let raw = composed(&internal);
            let text = with_internal(&raw, no_coins);
            let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(&text["internal_transfers"], read, "{internal:?}");
            assert_eq!(text["block_timestamp"], 7);
        }
        let raw = composed(&Internal::NotAsked);
        let stored: serde_json::Value = serde_json::from_slice(&raw.json).unwrap();
        assert!(stored["internal_transfers"].is_null(), "another wallet may have to ask");
    }

    #[test]
    fn members_are_read_as_nodes_mean_them() {
        let (hash, block_hash) = (format!("0x{:064x}", 1), format!("0x{:064x}", 2));
        let raw = |value: &serde_json::Value| RawValue::from_string(value.to_string()).unwrap();
        let wanted = Wanted { tx_id: TxId::new(&hash), block: 1, traced: true };
        let mut transaction = json!({"hash": hash.replacen("0x", "0X", 1), "blockNumber": "0X1",
            "blockHash": block_hash, "data": "0x12", "from": "0xa", "to": "", "value": "0x9"});
        let envelope = read_envelope(&wanted, &raw(&transaction)).unwrap();
        assert!(envelope.has_data && envelope.block == 1);
        let mut receipt = json!({"transactionHash": hash, "blockHash": block_hash, "gasUsed": "0x1",
            "logs": []});
        let lacking = read_receipt(&wanted, &envelope, true, &raw(&receipt)).unwrap_err();
        assert!(matches!(lacking, Failure::Refused { code: L1_FEE_MISSING, .. }));
        // Only the receipt tells that nobody pays.
        receipt["type"] = json!("0x7e");
        assert!(read_receipt(&wanted, &envelope, true, &raw(&receipt)).is_ok());
        transaction["data"] = serde_json::Value::Null;
        assert!(read_envelope(&wanted, &raw(&transaction)).is_err());
    }
}
