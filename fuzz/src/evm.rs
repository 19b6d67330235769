//! EVM: lines against a second reading of the same logs, transfers and fees.
//!
//! The model takes whole JSON values and knows only the usual forms. A recording with a part of any
//! other form is not compared: there the parser alone decides what counts.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{U256, U512, hex, keccak256};
use pnl_core::{Address, Chain, WalletTransaction};
use serde_json::Value;
use tx_parser::evm::{Network, Transaction};

use crate::lines::{self, Flow};

/// Wallet and asset, and what came and went.
type Flows = BTreeMap<(String, String), Flow>;

const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
const SINGLE: &str = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62";
const BATCH: &str = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb";
const DEPOSIT: &str = "0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c";
const WITHDRAWAL: &str = "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65";
const MINT: &str = "0x0f6798a560793a54c3bcfe86a93cde1e73087d944c0ea20544137d4121396885";
const BURN: &str = "0xcc16f5dbb4873280815c1ee09dbd06736cffcc184412cf7a71a0fdb75d397ca5";
/// Ethereum: SAI, PETH, MKR, whose `Mint` and `Burn` stand in for `Transfer`.
const OLD_TOKENS: [&str; 3] = [
    "0x89d24a6b4ccb1b6faa2625fe562bdd9a23260359",
    "0xf53ad2c6851052a81b42133467480961b2321c09",
    "0x9f8f72aa9304c8b593d555f12ef6589cc3a579a2",
];
/// Ethereum: CryptoKitties, whose unindexed `Transfer` names an id.
const KITTIES: &str = "0x06012c8cf97bead5deae237070f9587f8e7a266d";

/// Decodes the bytes as a transaction of the chain it names; what is accepted must equal the model.
///
/// # Panics
/// When it does not.
pub fn check(input: &[u8]) {
    let json: Option<Value> = serde_json::from_slice(input).ok();
    let id = json.as_ref().and_then(|json| quantity(&json["transaction"]["chainId"])?);
    let chain = match id.and_then(|id| u64::try_from(id).ok()) {
        Some(8453) => Chain::Base,
        Some(56) => Chain::BinanceSmartChain,
        _ => Chain::Ethereum,
    };
    let network = Network::of(chain).expect("it is a chain of the EVM");
    let Ok(transaction) = Transaction::decode(input, &network) else { return };
    let model = json.as_ref().and_then(|json| Model::read(json, chain, &network));
    let mut seen = BTreeSet::new();
    for line in transaction.view_all() {
        assert_eq!(line, transaction.view(&line.wallet).expect("its own wallet is an address"));
        let net = lines::check(&line);
        assert!(line.tips.is_zero() && line.rent.is_zero() && line.unexplained.is_empty());
        if let Some(model) = &model {
            model.compare(&line, &net);
        }
        assert!(seen.insert(line.wallet.to_string()), "a wallet has one line");
    }
    // Who has no line has no change.
    let Some(model) = &model else { return };
    let others: BTreeSet<&String> = model.flows.keys().map(|(wallet, _)| wallet).collect();
    for wallet in others.into_iter().filter(|wallet| !seen.contains(*wallet)) {
        let line = transaction.view(&Address::from_chain_data(wallet)).expect("it is an address");
        model.compare(&line, &lines::check(&line));
    }
}

/// What a transaction moved, as read here.
struct Model {
    flows: Flows,
    sender: String,
    fee: U256,
}

impl Model {
    /// `None` where a part has no usual form.
    fn read(json: &Value, chain: Chain, network: &Network) -> Option<Self> {
        let (transaction, receipt) = (&json["transaction"], &json["receipt"]);
        let sender = account(&transaction["from"])?;
        let kinds = (number(&transaction["type"])?, number(&receipt["type"])?);
        let kind = kinds.0.or(kinds.1);
        let is_deposit = kind == Some(0x7e);
        let fee = if is_deposit { U256::ZERO } else { fee(transaction, receipt, kind, chain)? };
        let mut model = Self { flows: Flows::new(), sender: sender.clone(), fee };
        if let Some(mint) = quantity(&transaction["mint"])?.filter(|_| is_deposit) {
            model.moved("native", None, Some(sender.as_str()), mint);
        }
        let failed = match &receipt["status"] {
            Value::Bool(status) => !status,
            status => quantity(status)?.is_some_and(|status| status.is_zero()),
        };
        if failed {
            return Some(model);
        }
        let receiver = match optional_account(&transaction["to"])? {
            Some(to) => Some(to),
            None => match (optional_account(&receipt["contractAddress"])?, is_deposit) {
                (None, false) => {
                    number(&transaction["nonce"])?.map(|nonce| created_by(&sender, nonce))
                }
                (named, _) => named,
            },
        };
        let value = quantity(&transaction["value"])?.unwrap_or_default();
        model.moved("native", Some(sender.as_str()), receiver.as_deref(), value);
        model.read_internal(&json["internal_transfers"], receiver.as_deref(), value)?;
        let wrapped = network.wrapped_native().to_string();
        let mut seen = BTreeSet::new();
        for log in receipt["logs"].as_array()? {
            let read = Log::read(log)?;
            let index = quantity(&log["logIndex"]).flatten();
            let index = index.and_then(|index| u64::try_from(index).ok());
            let data = log["data"].as_str()?;
            let is_new = index.is_none_or(|index| {
                seen.insert((index, read.contract.clone(), read.topics.clone(), data, read.removed))
            });
            if is_new && !read.removed {
                model.read_log(&read, chain, &wrapped);
            }
        }
        Some(model)
    }

    fn read_internal(&mut self, list: &Value, receiver: Option<&str>, value: U256) -> Option<()> {
        const THEIRS: [&str; 8] = [
            "contractAddress",
            "callType",
            "call_type",
            "traceId",
            "traceAddress",
            "trace_address",
            "isError",
            "error",
        ];
        if list.is_null() {
            return Some(());
        }
        let own = value;
        let mut failed = Vec::new();
        let mut rows = Vec::new();
        for row in list.as_array()? {
            let is_error = match &row["is_error"] {
                Value::Bool(flag) => *flag,
                flag => match quantity(flag)? {
                    None | Some(U256::ZERO) => false,
                    Some(U256::ONE) => true,
                    _ => return None,
                },
            };
            if THEIRS.iter().any(|name| !row[*name].is_null()) {
                return None;
            }
            let path: Option<Vec<u32>> = match &row["trace_id"] {
                Value::Null => None,
                Value::String(path) => path_of(path),
                Value::Array(steps) if steps.len() <= 1_024 => {
                    let step = |step: &Value| u32::try_from(step.as_u64()?).ok();
                    Some(steps.iter().map(step).collect::<Option<_>>()?)
                }
                _ => return None,
            };
            let kind = match &row["type"] {
                Value::Null => String::new(),
                kind => kind.as_str()?.to_ascii_lowercase(),
            };
            let ends = [&row["from"], &row["to"], &row["contract_address"]];
            let [from, to, created] = ends.map(|end| match end.as_str() {
                Some("") => Some(None),
                _ => optional_account(end),
            });
            let value = quantity(&row["value"])??;
            let carries = !["delegatecall", "callcode", "staticcall"].contains(&kind.as_str());
            let ends = (from?, to?.or(created?));
            let needs_ends = carries && !is_error && !value.is_zero();
            if needs_ends && (ends.0.is_none() || ends.1.is_none()) {
                return None;
            }
            if is_error {
                failed.extend(path.clone());
            }
            rows.push((is_error, path, carries, ends, value));
        }
        let is_own = |(is_error, _, carries, (from, to), value): &(_, _, _, (_, _), U256)| {
            let (from, to): (&Option<String>, &Option<String>) = (from, to);
            let counts = *carries && !is_error && !own.is_zero() && *value == own;
            let is_there = receiver.is_none() || to.as_deref() == receiver;
            counts && from.as_ref() == Some(&self.sender) && is_there
        };
        if let Some(place) = rows.iter().position(is_own) {
            rows.remove(place);
        }
        for (is_error, path, carries, (from, to), value) in rows {
            let is_below = path.is_some_and(|path| {
                failed.iter().any(|above: &Vec<u32>| {
                    above.len() < path.len() && path[..above.len()] == above[..]
                })
            });
            if carries && !is_error && !is_below {
                self.moved("native", from.as_deref(), to.as_deref(), value);
            }
        }
        Some(())
    }

    fn read_log(&mut self, log: &Log, chain: Chain, wrapped: &str) {
        let contract = log.contract.as_str();
        let is_old = chain == Chain::Ethereum && OLD_TOKENS.contains(&contract);
        let token = if contract == wrapped { "native" } else { contract };
        let item = |id: U256| format!("{contract}/{id}");
        let Some((event, indexed)) = log.topics.split_first() else { return };
        let ends: Vec<Option<String>> = indexed.iter().map(|topic| word_account(*topic)).collect();
        let word = |index: usize| word(&log.data, index);
        let event = format!("{event:#066x}");
        match (event.as_str(), ends.as_slice()) {
            (TRANSFER, [Some(from), Some(to)]) => {
                let Some(amount) = word(0) else { return };
                self.moved(token, Some(from), Some(to), amount);
            }
            (TRANSFER, [Some(from), Some(to), _]) => {
                self.moved(&item(indexed[2]), Some(from), Some(to), U256::ONE);
            }
            (TRANSFER, []) => {
                let (Some(from), Some(to), Some(last)) = (word(0), word(1), word(2)) else {
                    return;
                };
                let (Some(from), Some(to)) = (word_account(from), word_account(to)) else { return };
                if chain == Chain::Ethereum && contract == KITTIES {
                    self.moved(&item(last), Some(&from), Some(&to), U256::ONE);
                } else {
                    self.moved(token, Some(&from), Some(&to), last);
                }
            }
            (SINGLE, [_, Some(from), Some(to)]) => {
                let (Some(id), Some(amount)) = (word(0), word(1)) else { return };
                self.moved(&item(id), Some(from), Some(to), amount);
            }
            (BATCH, [_, Some(from), Some(to)]) => {
                let (Some(ids), Some(amounts)) = (list(&log.data, 0), list(&log.data, 1)) else {
                    return;
                };
                if ids.len() == amounts.len() {
                    for (id, amount) in ids.into_iter().zip(amounts) {
                        self.moved(&item(id), Some(from), Some(to), amount);
                    }
                }
            }
            (DEPOSIT | MINT | WITHDRAWAL | BURN, [Some(holder)]) => {
                let is_wrapping = [DEPOSIT, WITHDRAWAL].contains(&event.as_str());
                let counts = if is_wrapping { contract == wrapped } else { is_old };
                let Some(amount) = word(0).filter(|_| counts) else { return };
                let asset = if is_wrapping { "native" } else { contract };
                let (from, to) = match [DEPOSIT, MINT].contains(&event.as_str()) {
                    true => (None, Some(holder)),
                    false => (Some(holder), None),
                };
                self.moved(asset, from.map(String::as_str), to.map(String::as_str), amount);
            }
            _ => {}
        }
    }

    fn moved<T: AsRef<str>>(&mut self, asset: &str, from: Option<T>, to: Option<T>, amount: U256) {
        let amount = U512::from(amount);
        if let Some(from) = from {
            let key = (from.as_ref().to_owned(), asset.to_owned());
            self.flows.entry(key).or_default().went += amount;
        }
        if let Some(to) = to {
            let key = (to.as_ref().to_owned(), asset.to_owned());
            self.flows.entry(key).or_default().came += amount;
        }
    }

    fn compare(&self, line: &WalletTransaction, net: &BTreeMap<String, (bool, U256)>) {
        let wallet = line.wallet.to_string();
        let own = self.flows.iter().filter(|((owner, _), _)| *owner == wallet);
        let expected: BTreeMap<String, (bool, U256)> =
            own.filter_map(|((_, asset), flow)| Some((asset.clone(), flow.net()?))).collect();
        assert_eq!(net, &expected, "net of {wallet}");
        let fee = line.fee.as_ref().map(|fee| fee.raw.magnitude().to_u256());
        assert_eq!(fee, (wallet == self.sender).then_some(self.fee), "fee of {wallet}");
    }
}

/// `None` where a part has no usual form, or the fee does not fit.
fn fee(transaction: &Value, receipt: &Value, kind: Option<u64>, chain: Chain) -> Option<U256> {
    let gas = quantity(&receipt["gasUsed"])??;
    let price = match quantity(&receipt["effectiveGasPrice"])? {
        Some(price) => price,
        None => quantity(&transaction["gasPrice"])?.unwrap_or_default(),
    };
    let mut fee = gas.checked_mul(price)?;
    if kind == Some(3) {
        let blobs = quantity(&receipt["blobGasUsed"])?.zip(quantity(&receipt["blobGasPrice"])?);
        if let Some((used, price)) = blobs {
            fee = fee.checked_add(used.checked_mul(price)?)?;
        }
    }
    if chain == Chain::Base {
        fee = fee.checked_add(quantity(&receipt["l1Fee"])?.unwrap_or_default())?;
    }
    Some(fee)
}

struct Log {
    contract: String,
    topics: Vec<U256>,
    data: Vec<u8>,
    removed: bool,
}

impl Log {
    fn read(log: &Value) -> Option<Self> {
        let topics: Option<Vec<U256>> = log["topics"].as_array()?.iter().map(topic).collect();
        Some(Self {
            contract: account(&log["address"])?,
            topics: topics.filter(|topics| topics.len() <= 4)?,
            data: hex::decode(digits(log["data"].as_str()?)?).ok()?,
            removed: match &log["removed"] {
                Value::Null => false,
                flag => flag.as_bool()?,
            },
        })
    }
}

/// The digits behind `0x`.
fn digits(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(digits)
}

fn topic(value: &Value) -> Option<U256> {
    let digits = digits(value.as_str()?).filter(|digits| digits.len() == 64)?;
    U256::from_str_radix(digits, 16).ok()
}

fn account(value: &Value) -> Option<String> {
    let digits = digits(value.as_str()?).filter(|digits| digits.len() == 40)?;
    Some(format!("0x{}", digits.to_ascii_lowercase()))
}

/// Null or an account; `None` when it is neither.
fn optional_account(value: &Value) -> Option<Option<String>> {
    if value.is_null() || value == "" { Some(None) } else { account(value).map(Some) }
}

/// Null or a figure; `None` when it is neither.
fn quantity(value: &Value) -> Option<Option<U256>> {
    match value {
        Value::Null => Some(None),
        Value::Number(number) => Some(Some(U256::from(number.as_u64()?))),
        Value::String(text) => {
            let (text, radix) = match digits(text) {
                Some(digits) => (digits, 16),
                None => (text.as_str(), 10),
            };
            let is_figure = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            U256::from_str_radix(text, radix).ok().filter(|_| is_figure).map(Some)
        }
        _ => None,
    }
}

/// Null, a figure of 64 bits, or a longer one, which is none; `None` when it is neither.
fn number(value: &Value) -> Option<Option<u64>> {
    Some(quantity(value)?.and_then(|figure| u64::try_from(figure).ok()))
}

/// Steps in a tree of calls; `None` where the text names none.
fn path_of(text: &str) -> Option<Vec<u32>> {
    let is_path = text.chars().all(|one| one.is_ascii_digit() || "_.-/".contains(one));
    let steps: Vec<&str> = text.split(['_', '.', '-', '/']).collect();
    let steps = Some(steps).filter(|steps| is_path && steps.len() <= 1_024)?;
    steps.into_iter().map(|step| step.parse().ok()).collect()
}

/// The contract that a sender creates by his transaction of this nonce.
fn created_by(sender: &str, nonce: u64) -> String {
    let digits = match format!("{nonce:x}") {
        zero if zero == "0" => String::new(),
        odd if odd.len() % 2 == 1 => format!("0{odd}"),
        even => even,
    };
    let nonce = if digits.len() == 2 && nonce < 0x80 {
        digits
    } else {
        format!("{:02x}{digits}", 0x80 + digits.len() / 2)
    };
    let list = format!("94{}{nonce}", &sender[2..]);
    let list = hex::decode(format!("{:02x}{list}", 0xc0 + list.len() / 2)).expect("hexadecimal");
    format!("0x{}", hex::encode(&keccak256(list)[12..]))
}

fn word(data: &[u8], index: usize) -> Option<U256> {
    data.get(index * 32..index * 32 + 32).map(U256::from_be_slice)
}

/// A word whose first twelve bytes are zero.
fn word_account(word: U256) -> Option<String> {
    let text = format!("{word:064x}");
    let (padding, digits) = text.split_at(24);
    padding.bytes().all(|digit| digit == b'0').then(|| format!("0x{digits}"))
}

fn list(data: &[u8], index: usize) -> Option<Vec<U256>> {
    let start = usize::try_from(word(data, index)?).ok()?;
    let tail = data.get(start..)?;
    let count = usize::try_from(word(tail, 0)?).ok()?;
    let end = count.checked_mul(32)?.checked_add(32)?;
    let words = tail.get(32..end)?;
    Some(words.chunks(32).map(U256::from_be_slice).collect())
}
