//! Transactions made by hand, for chains of a known history.

use serde_json::{Value, json};

const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
/// Gas of a plain transfer, and what every unit of it costs in wei.
const PLAIN_GAS: u64 = 21_000;
const CALL_GAS: u64 = 60_000;
const GAS_PRICE: u64 = 1_000_000_000;

/// Makes transactions, one per block unless told otherwise, twelve seconds apart.
#[derive(Debug)]
pub struct Maker {
    block: u64,
    index: u64,
    time: i64,
    made: Vec<Value>,
}

impl Maker {
    /// The first transaction will be in the block behind this one, at this time (unix seconds).
    pub const fn new(block: u64, time: i64) -> Self {
        Self { block, index: 0, time, made: Vec::new() }
    }

    /// An address by its number.
    pub fn address(number: u64) -> String {
        format!("0x{number:040x}")
    }

    /// Coins from one account to another.
    pub fn send(&mut self, from: &str, to: &str, wei: u128) -> &mut Self {
        self.add(from, to, wei, "0x", PLAIN_GAS, vec![], json!([]))
    }

    /// A call that moves tokens: rows of contract, from, to, units.
    pub fn call(
        &mut self,
        from: &str,
        to: &str,
        wei: u128,
        moves: &[(&str, &str, &str, u128)],
    ) -> &mut Self {
        let logs = moves.iter().map(|(token, from, to, units)| transfer(token, from, to, *units));
        self.add(from, to, wei, "0x12345678", CALL_GAS, logs.collect(), json!([]))
    }

    /// Adds that a contract sent coins in the last transaction.
    pub fn inside(&mut self, from: &str, to: &str, wei: u128) -> &mut Self {
        if let Some(rows) =
            self.made.last_mut().and_then(|last| last["internal_transfers"].as_array_mut())
        {
            let path = rows.len().to_string();
            rows.push(json!({"from": from, "to": to, "value": wei.to_string(), "type": "call",
                "trace_id": path, "is_error": false}));
        }
        self
    }

    /// Adds the fee for the first layer to the last transaction.
    pub fn l1_fee(&mut self, wei: u128) -> &mut Self {
        if let Some(last) = self.made.last_mut() {
            last["receipt"]["l1Fee"] = json!(format!("{wei:#x}"));
        }
        self
    }

    /// Puts the next transaction into the block of the last one.
    pub fn same_block(&mut self) -> &mut Self {
        self.block -= 1;
        self.time -= 12;
        self.index += 1;
        self
    }

    /// What was made.
    pub fn records(&self) -> Vec<Value> {
        self.made.clone()
    }

    #[expect(clippy::too_many_arguments, reason = "the members of a transaction")]
    fn add(
        &mut self,
        from: &str,
        to: &str,
        wei: u128,
        input: &str,
        gas: u64,
        logs: Vec<Value>,
        inside: Value,
    ) -> &mut Self {
        if self
            .made
            .last()
            .is_some_and(|last| super::number(&last["receipt"]["blockNumber"]) == Some(self.block))
        {
            self.index = 0;
        }
        self.block += 1;
        self.time += 12;
        let hash = format!("0x{:064x}", 0xa000_0000 + self.made.len());
        let block_hash = format!("0x{:064x}", 0xb000_0000 + self.block);
        let (block, index) = (format!("{:#x}", self.block), format!("{:#x}", self.index));
        let logs: Vec<Value> = logs
            .into_iter()
            .enumerate()
            .map(|(place, mut log)| {
                log["transactionHash"] = json!(hash);
                log["blockNumber"] = json!(block);
                log["blockHash"] = json!(block_hash);
                log["logIndex"] = json!(format!("{place:#x}"));
                log
            })
            .collect();
        self.made.push(json!({
            "transaction": {"hash": hash, "from": from, "to": to, "value": format!("{wei:#x}"),
                "input": input, "type": "0x2", "gas": "0x100000", "gasPrice": format!("{GAS_PRICE:#x}"),
                "blockNumber": block, "blockHash": block_hash, "transactionIndex": index},
            "receipt": {"transactionHash": hash, "status": "0x1", "gasUsed": format!("{gas:#x}"),
                "effectiveGasPrice": format!("{GAS_PRICE:#x}"), "blockNumber": block,
                "blockHash": block_hash, "transactionIndex": index, "contractAddress": null,
                "logs": logs},
            "block_timestamp": self.time,
            "internal_transfers": inside,
        }));
        self
    }
}

fn transfer(token: &str, from: &str, to: &str, units: u128) -> Value {
    let word = |address: &str| format!("0x{:0>64}", address.trim_start_matches("0x"));
    json!({"address": token, "topics": [TRANSFER, word(from), word(to)],
        "data": format!("0x{units:064x}")})
}
