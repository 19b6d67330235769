//! The JSON of a recording, borrowed from the input.
//!
//! Members of transaction and receipt keep their JSON form here and are checked in `header` and
//! `fee`, which know what is needed. A log or an internal transfer of any form at all can be read;
//! what is wrong with it shows when it is understood.

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess};

use super::path::Path;
use super::scalar::Topics;
use crate::error::{ParseError, ParseErrorCode};
use crate::json::{self, Loose, Members, Scalar};

/// A recording.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    pub(super) transaction: Option<Envelope<'a>>,
    #[serde(borrow)]
    pub(super) receipt: Option<Receipt<'a>>,
    #[serde(borrow, default)]
    pub(super) block_timestamp: Scalar<'a>,
    /// Null: not recorded.
    #[serde(borrow)]
    pub(super) internal_transfers: Option<Vec<Loose<Internal<'a>>>>,
}

impl<'a> Record<'a> {
    /// The receipt's logs; `header` refuses a recording without them.
    pub(super) fn logs(&self) -> &[Loose<Log<'a>>] {
        self.receipt.as_ref().and_then(|receipt| receipt.logs.as_deref()).unwrap_or_default()
    }
}

/// The answer of eth_getTransactionByHash.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) hash: Scalar<'a>,
    #[serde(borrow)]
    pub(super) from: Scalar<'a>,
    #[serde(borrow)]
    pub(super) to: Scalar<'a>,
    #[serde(borrow)]
    pub(super) value: Scalar<'a>,
    #[serde(borrow)]
    pub(super) input: Scalar<'a>,
    /// The name that some nodes give the input.
    #[serde(borrow)]
    pub(super) data: Scalar<'a>,
    #[serde(borrow)]
    pub(super) nonce: Scalar<'a>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Scalar<'a>,
    #[serde(borrow)]
    pub(super) gas: Scalar<'a>,
    #[serde(borrow)]
    pub(super) gas_price: Scalar<'a>,
    #[serde(borrow)]
    pub(super) max_fee_per_gas: Scalar<'a>,
    #[serde(borrow)]
    pub(super) block_number: Scalar<'a>,
    #[serde(borrow)]
    pub(super) transaction_index: Scalar<'a>,
    #[serde(borrow)]
    pub(super) chain_id: Scalar<'a>,
    /// Of deposits from the first layer: what is created for the sender.
    #[serde(borrow)]
    pub(super) mint: Scalar<'a>,
}

/// The answer of eth_getTransactionReceipt.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Receipt<'a> {
    #[serde(borrow)]
    pub(super) transaction_hash: Scalar<'a>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Scalar<'a>,
    #[serde(borrow)]
    pub(super) status: Scalar<'a>,
    #[serde(borrow)]
    pub(super) gas_used: Scalar<'a>,
    #[serde(borrow)]
    pub(super) effective_gas_price: Scalar<'a>,
    #[serde(borrow)]
    pub(super) contract_address: Scalar<'a>,
    #[serde(borrow)]
    pub(super) block_number: Scalar<'a>,
    #[serde(borrow)]
    pub(super) transaction_index: Scalar<'a>,
    #[serde(borrow)]
    pub(super) l1_fee: Scalar<'a>,
    #[serde(borrow)]
    pub(super) blob_gas_used: Scalar<'a>,
    #[serde(borrow)]
    pub(super) blob_gas_price: Scalar<'a>,
    #[serde(borrow)]
    pub(super) operator_fee_scalar: Scalar<'a>,
    #[serde(borrow)]
    pub(super) operator_fee_constant: Scalar<'a>,
    #[serde(borrow)]
    pub(super) logs: Option<Vec<Loose<Log<'a>>>>,
}

/// One log.
#[derive(Debug, Default)]
pub(super) struct Log<'a> {
    pub(super) address: Scalar<'a>,
    pub(super) topics: Topics<'a>,
    pub(super) data: Scalar<'a>,
    pub(super) log_index: Scalar<'a>,
    pub(super) removed: Scalar<'a>,
}

/// One transfer between contracts.
#[derive(Debug, Default)]
pub(super) struct Internal<'a> {
    pub(super) from: Scalar<'a>,
    pub(super) to: Scalar<'a>,
    pub(super) contract_address: Scalar<'a>,
    pub(super) value: Scalar<'a>,
    pub(super) kind: Scalar<'a>,
    pub(super) trace_id: Path<'a>,
    pub(super) is_error: Scalar<'a>,
    /// What providers write in place of these members, or beside them.
    pub(super) theirs: Theirs<'a>,
}

/// Members of a transfer under the names of explorers and nodes.
#[derive(Debug, Default)]
pub(super) struct Theirs<'a> {
    pub(super) contract_address: Scalar<'a>,
    /// Of a call, beside its type: some tell only here what is delegated.
    pub(super) call_type: Scalar<'a>,
    pub(super) trace_id: Path<'a>,
    pub(super) is_error: Scalar<'a>,
    /// Why it failed.
    pub(super) error: Scalar<'a>,
}

/// Reads a recording.
pub(super) fn read(input: &[u8]) -> Result<Record<'_>, ParseError> {
    json::read::<Option<Record<'_>>>(input)?.ok_or_else(|| null_transaction("/"))
}

/// The node does not have the transaction.
pub(super) fn null_transaction(at: &str) -> ParseError {
    let detail = "the node has no such transaction";
    ParseError::new(ParseErrorCode::NullTransaction, at, detail)
}

impl<'de: 'a, 'a> Members<'de> for Log<'a> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "address" => self.address = map.next_value()?,
            "topics" => self.topics = map.next_value()?,
            "data" => self.data = map.next_value()?,
            "logIndex" => self.log_index = map.next_value()?,
            "removed" => self.removed = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Members<'de> for Internal<'a> {
    fn read<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "from" => self.from = map.next_value()?,
            "to" => self.to = map.next_value()?,
            "contract_address" => self.contract_address = map.next_value()?,
            // By its text: explorers write amounts as numbers, also those beyond 64 bits.
            "value" => self.value = Scalar::of_text(map.next_value()?),
            "type" => self.kind = map.next_value()?,
            "trace_id" => self.trace_id = map.next_value()?,
            "is_error" => self.is_error = map.next_value()?,
            "contractAddress" => self.theirs.contract_address = map.next_value()?,
            "callType" | "call_type" => self.theirs.call_type = map.next_value()?,
            "traceId" | "traceAddress" | "trace_address" => {
                self.theirs.trace_id = map.next_value()?;
            }
            "isError" => self.theirs.is_error = map.next_value()?,
            "error" => self.theirs.error = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}
