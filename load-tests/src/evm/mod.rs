//! An EVM chain out of recorded transactions: a node's JSON-RPC and an explorer's lists.
//!
//! A record is what the parser reads: `transaction`, `receipt`, `block_timestamp`,
//! `internal_transfers`. Balances are the sums of what the records move.

mod explorer;
mod maker;
mod node;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

pub use maker::Maker;

/// Blocks between the newest transaction and the head, and from there back to the final block.
const HEAD_DISTANCE: u64 = 100;
const FINAL_DISTANCE: u64 = 64;

/// A chain that can be served as `/evm/<name>` and `/etherscan/<name>/api`.
#[derive(Debug, Clone)]
pub struct EvmChain {
    records: Vec<Record>,
    chain_id: u64,
    /// The most blocks of one question for logs or traces.
    max_range: u64,
    /// Methods that the node does not have.
    lacks: BTreeSet<String>,
    /// Whether receipts name the fee for the first layer.
    l1_fee: bool,
    /// The most calls of one batch.
    max_batch: usize,
    /// The oldest block whose state is kept; `None`: no state at all.
    state_from: Option<u64>,
    /// The answer of an explorer to every question, or to those of `refused`.
    refusal: Option<String>,
    refused: BTreeSet<String>,
    /// The longest page of an explorer, whatever it is asked for.
    max_page: usize,
    max_rows: usize,
    /// The most rows that an explorer finds in time.
    max_found: usize,
    /// The newest block that the explorer has indexed.
    indexed_to: u64,
    /// What the chain began with, by account.
    allocations: BTreeMap<String, u128>,
    decimals: BTreeMap<String, u8>,
    symbols: BTreeMap<String, String>,
    /// What contracts say beside the sum of their events, by contract.
    drift: BTreeMap<String, i128>,
    /// Contracts whose events never moved anything.
    fakes: BTreeSet<String>,
    /// Blocks from the head back to the final one.
    final_distance: u64,
    /// Blocks from this one on were replaced by others.
    reorganized_from: Option<u64>,
    /// What the node answers to who asks for the trace of a transaction, by its hash.
    trace_faults: BTreeMap<String, String>,
    /// Contracts that do not tell balances.
    silent: BTreeSet<String>,
    /// The newest block that the node has; `None`: some behind the newest transaction.
    newest: Option<u64>,
}

#[derive(Debug, Clone)]
struct Record {
    hash: String,
    block: u64,
    index: u64,
    time: i64,
    json: Value,
}

impl EvmChain {
    /// A chain of these records.
    ///
    /// # Errors
    /// When one of them names no hash or block.
    pub fn new(chain_id: u64, records: Vec<Value>) -> anyhow::Result<Self> {
        let mut records: Vec<Record> =
            records.into_iter().map(Record::read).collect::<anyhow::Result<_>>()?;
        records.sort_by_key(|record| (record.block, record.index));
        Ok(Self {
            records,
            chain_id,
            max_range: u64::MAX,
            lacks: BTreeSet::new(),
            l1_fee: true,
            max_batch: usize::MAX,
            state_from: Some(0),
            refusal: None,
            refused: BTreeSet::new(),
            max_page: 10_000,
            max_rows: usize::MAX,
            max_found: usize::MAX,
            indexed_to: u64::MAX,
            allocations: BTreeMap::new(),
            decimals: BTreeMap::new(),
            symbols: BTreeMap::new(),
            drift: BTreeMap::new(),
            fakes: BTreeSet::new(),
            final_distance: FINAL_DISTANCE,
            reorganized_from: None,
            trace_faults: BTreeMap::new(),
            silent: BTreeSet::new(),
            newest: None,
        })
    }

    /// The records of a folder `transactions/*.json`, without any state.
    ///
    /// # Errors
    /// When the folder cannot be read or holds something else.
    pub fn from_folder(chain_id: u64, folder: &Path) -> anyhow::Result<Self> {
        let mut records = Vec::new();
        for entry in std::fs::read_dir(folder.join("transactions"))? {
            let path = entry?.path();
            let text = std::fs::read(&path)?;
            records.push(
                serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))?,
            );
        }
        Ok(Self { state_from: None, ..Self::new(chain_id, records)? })
    }

    /// Answers questions over at most so many blocks.
    #[must_use]
    pub fn with_max_range(self, blocks: u64) -> Self {
        Self { max_range: blocks, ..self }
    }

    /// Answers batches of at most so many calls.
    #[must_use]
    pub fn with_max_batch(self, calls: usize) -> Self {
        Self { max_batch: calls, ..self }
    }

    /// Does not know these methods; an explorer, these actions.
    #[must_use]
    pub fn without(mut self, methods: &[&str]) -> Self {
        self.lacks.extend(methods.iter().map(|method| (*method).to_owned()));
        self
    }

    /// Leaves the fee for the first layer out of receipts.
    #[must_use]
    pub fn without_l1_fee(self) -> Self {
        Self { l1_fee: false, ..self }
    }

    /// Keeps the state of no block before this one.
    #[must_use]
    pub fn with_state_from(self, block: u64) -> Self {
        Self { state_from: Some(block), ..self }
    }

    /// As an explorer, refuses everything in these words.
    #[must_use]
    pub fn refusing(self, words: &str) -> Self {
        Self { refusal: Some(words.to_owned()), ..self }
    }

    /// As an explorer, refuses these actions in these words.
    #[must_use]
    pub fn refusing_only(mut self, words: &str, actions: &[&str]) -> Self {
        self.refused.extend(actions.iter().map(|action| (*action).to_owned()));
        self.refusing(words)
    }

    /// As an explorer, never gives more rows at a time.
    #[must_use]
    pub fn with_max_page(self, rows: usize) -> Self {
        Self { max_page: rows, ..self }
    }

    /// As a node, gives no more logs or traces at a time, and says nothing.
    #[must_use]
    pub fn with_max_rows(self, rows: usize) -> Self {
        Self { max_rows: rows, ..self }
    }

    /// As an explorer, times out where it finds more rows.
    #[must_use]
    pub fn with_max_found(self, rows: usize) -> Self {
        Self { max_found: rows, ..self }
    }

    /// The chain began with these coins of an account.
    #[must_use]
    pub fn with_allocation(mut self, account: &str, wei: u128) -> Self {
        self.allocations.insert(account.to_owned(), wei);
        self
    }

    /// As an explorer, has indexed nothing behind this block.
    #[must_use]
    pub fn with_index_to(self, block: u64) -> Self {
        Self { indexed_to: block, ..self }
    }

    /// Knows decimals and symbol of a token.
    #[must_use]
    pub fn with_token(mut self, contract: &str, decimals: u8, symbol: &str) -> Self {
        self.decimals.insert(contract.to_owned(), decimals);
        self.symbols.insert(contract.to_owned(), symbol.to_owned());
        self
    }

    /// Balances of a token are so much more than its events say.
    #[must_use]
    pub fn with_drift(mut self, contract: &str, units: i128) -> Self {
        self.drift.insert(contract.to_owned(), units);
        self
    }

    /// Refuses to trace a transaction, in these words.
    #[must_use]
    pub fn with_trace_fault(mut self, hash: &str, words: &str) -> Self {
        self.trace_faults.insert(hash.to_owned(), words.to_owned());
        self
    }

    /// A contract tells no balance.
    #[must_use]
    pub fn with_silent(mut self, contract: &str) -> Self {
        self.silent.insert(contract.to_owned());
        self
    }

    /// The events of a token are lies.
    #[must_use]
    pub fn with_fake(mut self, contract: &str) -> Self {
        self.fakes.insert(contract.to_owned());
        self
    }

    /// Blocks from this one on have other hashes now.
    #[must_use]
    pub fn reorganized_from(self, block: u64) -> Self {
        Self { reorganized_from: Some(block), ..self }
    }

    /// The final block is so many blocks behind the newest one.
    #[must_use]
    pub fn with_final_distance(self, blocks: u64) -> Self {
        Self { final_distance: blocks, ..self }
    }

    /// Has not come further than this block yet.
    #[must_use]
    pub fn only_to(mut self, block: u64) -> Self {
        self.records.retain(|record| record.block <= block);
        Self { newest: Some(block), ..self }
    }

    /// The newest block.
    pub fn head(&self) -> u64 {
        if let Some(newest) = self.newest {
            return newest;
        }
        self.records.last().map_or(0, |record| record.block) + HEAD_DISTANCE
    }

    /// The newest final block.
    pub fn finalized(&self) -> u64 {
        self.head().saturating_sub(self.final_distance)
    }

    /// The hashes of all transactions, oldest first.
    pub fn hashes(&self) -> Vec<String> {
        self.records.iter().map(|record| record.hash.clone()).collect()
    }

    fn record(&self, hash: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.hash.eq_ignore_ascii_case(hash))
    }

    fn in_block(&self, block: u64) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.block == block)
    }

    fn block_hash(&self, block: u64) -> String {
        let is_new = self.reorganized_from.is_some_and(|from| block >= from);
        let recorded = self.in_block(block).next().filter(|_| !is_new);
        match recorded.and_then(|record| record.json["receipt"]["blockHash"].as_str()) {
            Some(hash) => hash.to_owned(),
            None => format!("0x{:064x}", (u128::from(is_new) << 64) | u128::from(block)),
        }
    }

    fn block_time(&self, block: u64) -> i64 {
        let older = self.records.iter().rev().find(|record| record.block <= block);
        older.map_or(1_438_269_988, |record| {
            record.time + 12 * i64::try_from(block - record.block).unwrap_or_default()
        })
    }
}

impl Record {
    fn read(json: Value) -> anyhow::Result<Self> {
        let receipt = &json["receipt"];
        let hash = json["transaction"]["hash"].as_str().context("no hash")?.to_ascii_lowercase();
        let block = number(&receipt["blockNumber"]).context("no block")?;
        let index = number(&receipt["transactionIndex"]).unwrap_or_default();
        let time = match &json["block_timestamp"] {
            Value::String(text) => text.parse()?,
            other => other.as_i64().unwrap_or_default(),
        };
        Ok(Self { hash, block, index, time, json })
    }

    fn failed(&self) -> bool {
        number(&self.json["receipt"]["status"]) == Some(0)
    }

    /// Address text of a member, in lower case.
    fn party(&self, member: &str) -> String {
        lower(&self.json["transaction"][member])
    }

    fn logs(&self) -> &[Value] {
        self.json["receipt"]["logs"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Transfers between contracts, when they are known.
    fn internal(&self) -> Option<&[Value]> {
        self.json["internal_transfers"].as_array().map(Vec::as_slice)
    }
}

fn lower(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_ascii_lowercase()
}

/// A number in hexadecimal or decimal digits, or a plain one.
fn number(value: &Value) -> Option<u64> {
    u64::try_from(big(value)?).ok()
}

fn big(value: &Value) -> Option<u128> {
    match value {
        Value::Number(number) => number.as_u64().map(u128::from),
        Value::String(text) => match text.strip_prefix("0x") {
            Some("") => Some(0),
            Some(digits) => u128::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        },
        _ => None,
    }
}

/// The address in the last 20 bytes of a topic.
fn of_topic(topic: &Value) -> String {
    let text = lower(topic);
    format!("0x{}", text.get(26..).unwrap_or_default())
}
