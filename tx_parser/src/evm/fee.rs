//! The fee: gas at the price that was paid, on the first layer too where there is one.

use alloy_primitives::U256;
use pnl_core::movement::Note;

use super::Network;
use super::header::{optional, required};
use super::wire::{Envelope, Receipt};
use crate::error::{ParseError, ParseErrorCode};
use crate::json::Scalar;

/// EIP-2930 and older: the price in the transaction is the price that is paid.
const LAST_FIXED_PRICE_TYPE: u64 = 1;
/// EIP-4844: blobs have a gas of their own. Other types name `blobGasUsed` on some chains, too,
/// where nobody pays for it.
const BLOB_TYPE: u64 = 3;

/// What the sender paid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fee {
    /// Wei, as far as the receipt knows.
    pub(super) known: U256,
    /// Whether that is all.
    pub(super) is_complete: bool,
}

impl Fee {
    /// Nothing is paid for deposits.
    pub(super) const FREE: Self = Self { known: U256::ZERO, is_complete: true };

    /// gasUsed x effectiveGasPrice, for blobs as well, and the first layer's fee. `kind`: the type of
    /// the transaction, where one is named.
    ///
    /// # Errors
    /// When a member makes no sense or the sum does not fit into 256 bits.
    pub(super) fn read(
        transaction: &Envelope<'_>,
        receipt: &Receipt<'_>,
        kind: Option<u64>,
        network: &Network,
        notes: &mut Vec<Note>,
    ) -> Result<Self, ParseError> {
        let mut sum = Sum { known: U256::ZERO, missing: Vec::new() };
        let gas_used = required(&receipt.gas_used, "/receipt/gasUsed", Scalar::quantity)?;
        let at = "/receipt/effectiveGasPrice";
        match optional(&receipt.effective_gas_price, at, Scalar::quantity)? {
            Some(price) => sum.add_product(gas_used, price, at)?,
            None => {
                // Of newer types the transaction tells only what the sender would have paid at most.
                let is_fixed = kind.map_or(transaction.max_fee_per_gas.is_absent(), |kind| {
                    kind <= LAST_FIXED_PRICE_TYPE
                });
                if !is_fixed || transaction.gas_price.is_absent() {
                    sum.missing.push(("gas_price_missing", "the receipt has no effectiveGasPrice"));
                }
                let at = "/transaction/gasPrice";
                let bid = optional(&transaction.gas_price, at, Scalar::quantity)?;
                sum.add_product(gas_used, bid.unwrap_or_default(), at)?;
            }
        }
        if kind == Some(BLOB_TYPE) {
            sum.add_blobs(receipt)?;
        }
        if network.has_l1_fee {
            let at = "/receipt/l1Fee";
            match optional(&receipt.l1_fee, at, Scalar::quantity)? {
                Some(l1_fee) => sum.add_product(l1_fee, U256::ONE, at)?,
                None => sum.missing.push(("l1_fee_missing", "the receipt has no l1Fee")),
            }
            // Its formula changed between upgrades, and it is zero wherever it was seen.
            let operator = [&receipt.operator_fee_scalar, &receipt.operator_fee_constant];
            if operator.into_iter().any(|part| part.quantity().is_some_and(|fee| !fee.is_zero())) {
                sum.missing.push(("operator_fee", "the operator's fee is not counted"));
            }
        }
        let is_complete = sum.missing.is_empty();
        notes.extend(
            sum.missing
                .into_iter()
                .map(|(code, detail)| Note { code: code.to_owned(), detail: detail.to_owned() }),
        );
        Ok(Self { known: sum.known, is_complete })
    }
}

struct Sum {
    known: U256,
    /// Notes about parts that are not known.
    missing: Vec<(&'static str, &'static str)>,
}

impl Sum {
    fn add_product(&mut self, a: U256, b: U256, at: &str) -> Result<(), ParseError> {
        self.known = a
            .checked_mul(b)
            .and_then(|product| self.known.checked_add(product))
            .ok_or_else(|| {
                ParseError::new(ParseErrorCode::TooLarge, at, "the fee does not fit into 256 bits")
            })?;
        Ok(())
    }

    fn add_blobs(&mut self, receipt: &Receipt<'_>) -> Result<(), ParseError> {
        let at = "/receipt/blobGasUsed";
        let used = optional(&receipt.blob_gas_used, at, Scalar::quantity)?;
        let price = optional(&receipt.blob_gas_price, "/receipt/blobGasPrice", Scalar::quantity)?;
        match (used, price) {
            (Some(used), Some(price)) => self.add_product(used, price, at),
            _ => {
                self.missing.push(("blob_fee_missing", "the receipt has no blobGasPrice"));
                Ok(())
            }
        }
    }
}
