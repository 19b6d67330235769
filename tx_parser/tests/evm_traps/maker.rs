//! Hand-made recordings of EVM transactions.

use alloy_primitives::{B256, U256, hex, keccak256};
use pnl_core::{Address, Chain, WalletTransaction};
use serde_json::{Value, json};
use tx_parser::evm::{Network, Transaction};

/// A transaction without a status of its own: it took effect, used 100,000 gas at 2 wei.
pub const FEE: i128 = 200_000;

/// The address of a name; a text that begins with `0x` is taken as it is.
pub fn account(name: &str) -> String {
    if name.starts_with("0x") {
        return name.to_owned();
    }
    format!("0x{}", hex::encode(&keccak256(name)[..20]))
}

/// A word of 32 bytes with an address in its end.
pub fn padded(name: &str) -> String {
    format!("0x{:0>64}", account(name).trim_start_matches("0x"))
}

/// A word of 32 bytes with a number in it.
pub fn word(number: U256) -> String {
    format!("0x{}", hex::encode(number.to_be_bytes::<32>()))
}

/// Words one after the other.
pub fn words(numbers: &[U256]) -> String {
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes::<32>()).collect();
    format!("0x{}", hex::encode(bytes))
}

pub fn topic(signature: &str) -> String {
    let hash: B256 = keccak256(signature);
    format!("{hash:#x}")
}

/// Any log.
pub fn log(contract: &str, topics: &[String], data: &str) -> Value {
    json!({"address": account(contract), "topics": topics, "data": data, "logIndex": "0x0", "removed": false})
}

/// Units of a token.
pub fn transfer(token: &str, from: &str, to: &str, amount: U256) -> Value {
    let topics = [topic("Transfer(address,address,uint256)"), padded(from), padded(to)];
    log(token, &topics, &word(amount))
}

/// A single token by id.
pub fn transfer_item(contract: &str, from: &str, to: &str, id: U256) -> Value {
    let topics = [topic("Transfer(address,address,uint256)"), padded(from), padded(to), word(id)];
    log(contract, &topics, "0x")
}

/// Several ids of one contract at once.
pub fn transfer_batch(contract: &str, from: &str, to: &str, items: &[(u64, u64)]) -> Value {
    let signature = "TransferBatch(address,address,address,uint256[],uint256[])";
    let topics = [topic(signature), padded("operator"), padded(from), padded(to)];
    let count = U256::from(items.len());
    let second = U256::from(64 + 32 * (items.len() + 1));
    let mut data = vec![U256::from(64), second, count];
    data.extend(items.iter().map(|(id, _)| U256::from(*id)));
    data.push(count);
    data.extend(items.iter().map(|(_, amount)| U256::from(*amount)));
    log(contract, &topics, &words(&data))
}

/// An owner lets a spender spend.
pub fn approval(token: &str, owner: &str, amount: U256) -> Value {
    let topics = [topic("Approval(address,address,uint256)"), padded(owner), padded("spender")];
    log(token, &topics, &word(amount))
}

/// The wrapping contract books coins for (`Deposit`) or off (`Withdrawal`) a holder.
pub fn wrapping(event: &str, holder: &str, amount: u64) -> Value {
    let topics = [topic(&format!("{event}(address,uint256)")), padded(holder)];
    log(WETH, &topics, &word(U256::from(amount)))
}

/// The wrapped coin of Ethereum.
pub const WETH: &str = "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2";

/// A transfer between contracts.
pub fn internal(from: &str, to: &str, value: u64) -> Value {
    json!({
        "from": account(from), "to": account(to), "contract_address": null, "value": value.to_string(),
        "type": "call", "trace_id": null, "is_error": false,
    })
}

/// A recording in the making.
#[derive(Clone)]
pub struct Maker(pub Value);

impl Maker {
    /// A call with data, complete in all parts.
    pub fn call(sender: &str, target: &str) -> Self {
        let hash = format!("0x{}", "ab".repeat(32));
        Self(json!({
            "transaction": {
                "hash": hash, "from": account(sender), "to": account(target), "value": "0x0",
                "input": "0x12345678", "type": "0x2", "gas": "0x30d40", "gasPrice": "0x9",
                "blockNumber": "0x64", "transactionIndex": "0x7", "chainId": "0x1",
            },
            "receipt": {
                "transactionHash": hash, "status": "0x1", "gasUsed": "0x186a0",
                "effectiveGasPrice": "0x2", "contractAddress": null, "logs": [],
            },
            "block_timestamp": 1_700_000_000,
            "internal_transfers": [],
        }))
    }

    /// Replaces a member, by its pointer.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.0.pointer_mut(parent).unwrap()[name] = value;
        self
    }

    /// Takes a member away.
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.0.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
        self
    }

    pub fn value(self, wei: u64) -> Self {
        self.with("/transaction/value", json!(format!("{wei:#x}")))
    }

    /// Adds a log, with the next index where it has the one that all logs made here begin with.
    pub fn log(mut self, mut log: Value) -> Self {
        let logs = self.0["receipt"]["logs"].as_array_mut().unwrap();
        if log["logIndex"] == "0x0" {
            log["logIndex"] = json!(format!("{:#x}", logs.len()));
        }
        logs.push(log);
        self
    }

    pub fn internal(mut self, transfer: Value) -> Self {
        self.0["internal_transfers"].as_array_mut().unwrap().push(transfer);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap()
    }

    pub fn decode_on(&self, chain: Chain) -> Transaction {
        Transaction::decode(&self.bytes(), &Network::of(chain).unwrap()).unwrap()
    }

    pub fn view_on(&self, chain: Chain, wallet: &str) -> WalletTransaction {
        self.decode_on(chain).view(&Address::from_chain_data(&account(wallet))).unwrap()
    }

    pub fn view_apart(&self, wallet: &str) -> WalletTransaction {
        let network = Network::of(Chain::Ethereum).unwrap();
        let wallet = Address::from_chain_data(&account(wallet));
        tx_parser::evm::parse_apart(&self.bytes(), &network, &wallet).unwrap()
    }

    pub fn view(&self, wallet: &str) -> WalletTransaction {
        self.view_on(Chain::Ethereum, wallet)
    }
}

/// An asset by the name of its contract, with or without an id.
pub fn asset(name: &str) -> String {
    match name.split_once('/') {
        None if name == "native" => name.to_owned(),
        None => account(name),
        Some((contract, id)) => format!("{}/{id}", account(contract)),
    }
}
