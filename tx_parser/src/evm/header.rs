//! Who called whom, when and where, whether it took effect, and what it cost.

use alloy_primitives::{U256, keccak256};
use pnl_core::TxId;
use pnl_core::movement::Note;

use super::fee::Fee;
use super::movements::PLAIN_GAS;
use super::scalar::digits;
use super::wire::{self, Envelope, Receipt, Record};
use super::{Account, Network, Word};
use crate::error::{ParseError, ParseErrorCode};
use crate::json::Scalar;

/// Type of the transactions that the first layer of an OP stack chain makes: nobody pays for them.
const DEPOSIT_TYPE: u64 = 0x7e;

/// What is known before a log is read.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) network: Network,
    pub(super) tx_id: TxId,
    pub(super) block: u64,
    pub(super) block_time: Option<i64>,
    pub(super) index: Option<u32>,
    pub(super) failed: bool,
    /// Whether that is known; else it counts as one that took effect.
    pub(super) outcome_is_known: bool,
    pub(super) sender: Account,
    /// The account called; `None` when a contract was created.
    pub(super) target: Option<Account>,
    /// The contract created, when the receipt names it, or else the sender's nonce does.
    pub(super) created: Option<Account>,
    pub(super) value: U256,
    /// What a deposit from the first layer creates for its sender.
    pub(super) mint: U256,
    pub(super) input: Input,
    pub(super) gas_used: u64,
    pub(super) fee: Fee,
    pub(super) notes: Vec<Note>,
}

/// The part of the call data that is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Input {
    pub(super) is_empty: bool,
    /// The function called.
    pub(super) selector: Option<[u8; 4]>,
    /// Its first argument.
    pub(super) argument: Option<Word>,
}

impl Header {
    pub(super) fn read(record: &Record<'_>, network: &Network) -> Result<Self, ParseError> {
        let transaction =
            record.transaction.as_ref().ok_or_else(|| wire::null_transaction("/transaction"))?;
        let receipt = record.receipt.as_ref().ok_or_else(|| ParseError::missing("/receipt"))?;
        let mut notes = Vec::new();
        let hash = required(&transaction.hash, "/transaction/hash", Scalar::word)?;
        check_hash(receipt, hash)?;
        if receipt.logs.is_none() {
            return Err(ParseError::missing("/receipt/logs"));
        }
        check_chain(transaction, network, &mut notes);
        let block = transaction.block_number.number().or_else(|| receipt.block_number.number());
        let index = transaction.transaction_index.number().or(receipt.transaction_index.number());
        let kind = transaction.kind.number().or_else(|| receipt.kind.number());
        let is_deposit = kind == Some(DEPOSIT_TYPE);
        let sender = required(&transaction.from, "/transaction/from", Scalar::account)?;
        let target = optional_account(&transaction.to, "/transaction/to")?;
        let named = optional_account(&receipt.contract_address, "/receipt/contractAddress")?;
        // The nonce of a deposit is not that of its sender.
        let nonce = transaction.nonce.number().filter(|_| target.is_none() && !is_deposit);
        let failed = failed(transaction, receipt, block, network, &mut notes)?;
        let mint = optional(&transaction.mint, "/transaction/mint", Scalar::quantity)?;
        Ok(Self {
            network: *network,
            tx_id: TxId::new(&format!("{hash:#x}")),
            block: block.ok_or_else(|| ParseError::missing("/transaction/blockNumber"))?,
            block_time: optional(&record.block_timestamp, "/block_timestamp", Scalar::number)?
                .and_then(|seconds| i64::try_from(seconds).ok()),
            index: index.and_then(|index| u32::try_from(index).ok()),
            failed: failed.unwrap_or_default(),
            outcome_is_known: failed.is_some(),
            sender,
            target,
            created: named.or_else(|| nonce.map(|nonce| created_by(sender, nonce))),
            value: required(&transaction.value, "/transaction/value", Scalar::quantity)?,
            mint: mint.filter(|_| is_deposit).unwrap_or_default(),
            input: Input::read(transaction)?,
            gas_used: required(&receipt.gas_used, "/receipt/gasUsed", Scalar::number)?,
            fee: if is_deposit {
                Fee::FREE
            } else {
                Fee::read(transaction, receipt, kind, network, &mut notes)?
            },
            notes,
        })
    }

    /// Whoever the value went to.
    pub(super) fn receiver(&self) -> Option<Account> {
        self.target.or(self.created)
    }
}

impl Input {
    fn read(transaction: &Envelope<'_>) -> Result<Self, ParseError> {
        let at = "/transaction/input";
        let text = transaction.input.text().or_else(|| transaction.data.text());
        let head = digits(text.ok_or_else(|| ParseError::missing(at))?).ok_or_else(|| shape(at))?;
        // A selector and one argument; what follows is not looked at.
        let head = head.as_bytes().get(..72).unwrap_or(head.as_bytes());
        let bytes = alloy_primitives::hex::decode(head).map_err(|_| shape(at))?;
        if 2 * bytes.len() != head.len() {
            return Err(shape(at));
        }
        Ok(Self {
            is_empty: bytes.is_empty(),
            selector: bytes.first_chunk().copied(),
            argument: bytes.get(4..36).map(Word::from_slice),
        })
    }
}

/// A member without which no amount is known.
pub(super) fn required<'a, 'b, T>(
    value: &'b Scalar<'a>,
    at: &str,
    read: impl FnOnce(&'b Scalar<'a>) -> Option<T>,
) -> Result<T, ParseError> {
    optional(value, at, read)?.ok_or_else(|| ParseError::missing(at))
}

/// A member that may be missing, but not make no sense.
pub(super) fn optional<'a, 'b, T>(
    value: &'b Scalar<'a>,
    at: &str,
    read: impl FnOnce(&'b Scalar<'a>) -> Option<T>,
) -> Result<Option<T>, ParseError> {
    if value.is_absent() {
        return Ok(None);
    }
    read(value).map(Some).ok_or_else(|| shape(at))
}

fn shape(at: &str) -> ParseError {
    ParseError::new(ParseErrorCode::WrongShape, at, "not of the form that nodes write")
}

fn check_hash(receipt: &Receipt<'_>, hash: Word) -> Result<(), ParseError> {
    let at = "/receipt/transactionHash";
    match optional(&receipt.transaction_hash, at, Scalar::word)? {
        Some(other) if other != hash => {
            let detail = format!("the receipt is that of transaction {other:#x}");
            Err(ParseError::new(ParseErrorCode::ReceiptMismatch, at, detail))
        }
        _ => Ok(()),
    }
}

fn check_chain(transaction: &Envelope<'_>, network: &Network, notes: &mut Vec<Note>) {
    // Old transactions name no chain.
    if let Some(id) = transaction.chain_id.number().filter(|id| *id != network.chain_id) {
        let detail = format!("signed for chain {id}, read as {}", network.chain);
        notes.push(Note { code: "other_chain".to_owned(), detail });
    }
}

/// Whether it was rolled back; `None` when the receipt does not tell.
///
/// Receipts before the Byzantium fork (October 2017) have a state root and no status. A transaction
/// that failed then had used all its gas and has no logs; a plain payment uses all of it, too.
fn failed(
    transaction: &Envelope<'_>,
    receipt: &Receipt<'_>,
    block: Option<u64>,
    network: &Network,
    notes: &mut Vec<Note>,
) -> Result<Option<bool>, ParseError> {
    if let Some(took_effect) = optional(&receipt.status, "/receipt/status", Scalar::flag)? {
        return Ok(Some(!took_effect));
    }
    let is_old = block.is_some_and(|block| block < network.status_from);
    let (limit, used) = (transaction.gas.number(), receipt.gas_used.number());
    let has_logs = receipt.logs.as_ref().is_some_and(|logs| !logs.is_empty());
    if is_old && (limit != used || has_logs) {
        return Ok(Some(false));
    }
    let detail = if is_old {
        "the receipt has no status and all gas was used; taken as successful"
    } else {
        "the receipt has no status; taken as successful"
    };
    notes.push(Note { code: "status_unknown".to_owned(), detail: detail.to_owned() });
    Ok((is_old && used == Some(PLAIN_GAS)).then_some(false))
}

/// An account that may be missing; some nodes write a text without a digit for it.
fn optional_account(value: &Scalar<'_>, at: &str) -> Result<Option<Account>, ParseError> {
    if value.text() == Some("") { Ok(None) } else { optional(value, at, Scalar::account) }
}

/// The contract that a transaction of this nonce creates: the last 20 bytes of the hash of both, as a
/// list in RLP.
fn created_by(sender: Account, nonce: u64) -> Account {
    let bytes = nonce.to_be_bytes();
    let digits = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut list = vec![0x80 + 20];
    list.extend_from_slice(sender.as_slice());
    match digits {
        // A small number is its own code.
        [small @ 1..0x80] => list.push(*small),
        digits => {
            list.push(0x80 + digits.len() as u8);
            list.extend_from_slice(digits);
        }
    }
    list.insert(0, 0xc0 + list.len() as u8);
    Account::from_slice(&keccak256(list)[12..])
}

#[cfg(test)]
mod tests {
    use alloy_primitives::address;

    use super::*;

    #[test]
    fn created_contracts_follow_from_sender_and_nonce() {
        let sender = address!("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0");
        for (nonce, expected) in [
            (0, address!("cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d")),
            (1, address!("343c43a37d37dff08ae8c4a11544c718abb4fcf8")),
            (2, address!("f778b86fa74e846c4f0a1fbd1335fe81c00a0c91")),
        ] {
            assert_eq!(created_by(sender, nonce), expected, "{nonce}");
        }
    }
}
