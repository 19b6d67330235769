//! The JSON-RPC of a node.

use serde_json::{Value, json};

use super::{EvmChain, Record, big, lower, number, of_topic};
use crate::rpc::RpcError;

const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";

impl EvmChain {
    /// The most calls of one batch.
    pub(crate) const fn max_batch(&self) -> usize {
        self.max_batch
    }

    pub(crate) fn call(&self, method: &str, params: &[Value]) -> Result<Value, RpcError> {
        if self.lacks.contains(method) {
            return Err(no_method(method));
        }
        let first = params.first().unwrap_or(&Value::Null);
        Ok(match method {
            "eth_chainId" => json!(hex(u128::from(self.chain_id))),
            "eth_blockNumber" => json!(hex(u128::from(self.head()))),
            "eth_getBlockByNumber" => self.block(self.tag(first)?),
            "eth_getTransactionByHash" => self
                .record(&lower(first))
                .map_or(Value::Null, |record| self.placed(&record.json["transaction"])),
            "eth_getTransactionReceipt" => {
                self.record(&lower(first)).map_or(Value::Null, |record| self.receipt(record))
            }
            "eth_getBlockReceipts" => {
                let block = self.tag(first)?;
                self.in_block(block).map(|record| self.receipt(record)).collect()
            }
            "eth_getLogs" => self.logs(first)?,
            "trace_filter" => self.trace_filter(first)?,
            "ots_searchTransactionsAfter" => self.search_after(params)?,
            "debug_traceTransaction" => self.traced(first, Self::frames)?,
            "trace_transaction" => self.traced(first, Self::parity)?,
            "ots_getInternalOperations" => self.traced(first, Self::operations)?,
            "eth_getBalance" => {
                let block = self.state(&params[1])?;
                json!(hex(self.native_balance(&lower(first), block)))
            }
            "eth_call" => self.eth_call(first, params.get(1).unwrap_or(&Value::Null))?,
            other => return Err(no_method(other)),
        })
    }

    fn tag(&self, value: &Value) -> Result<u64, RpcError> {
        match value.as_str() {
            Some("latest" | "pending") => Ok(self.head()),
            Some("finalized" | "safe") => Ok(self.finalized()),
            Some("earliest") => Ok(0),
            _ => number(value).ok_or_else(|| RpcError::invalid_params("no block")),
        }
    }

    fn block(&self, block: u64) -> Value {
        if block > self.head() {
            return Value::Null;
        }
        let hashes: Vec<&str> = self.in_block(block).map(|record| record.hash.as_str()).collect();
        json!({"number": hex(u128::from(block)), "hash": self.block_hash(block),
            "timestamp": format!("{:#x}", self.block_time(block)), "transactions": hashes})
    }

    /// A transaction or receipt with the hash that its block has now.
    fn placed(&self, recorded: &Value) -> Value {
        let mut placed = recorded.clone();
        if let Some(block) = number(&recorded["blockNumber"]) {
            placed["blockHash"] = json!(self.block_hash(block));
        }
        placed
    }

    fn receipt(&self, record: &Record) -> Value {
        let mut receipt = self.placed(&record.json["receipt"]);
        if !self.l1_fee
            && let Some(members) = receipt.as_object_mut()
        {
            members.remove("l1Fee");
        }
        receipt
    }

    fn range(&self, filter: &Value) -> Result<(u64, u64), RpcError> {
        let (from, to) = (self.tag(&filter["fromBlock"])?, self.tag(&filter["toBlock"])?);
        let to = to.min(self.head());
        if to.saturating_sub(from) >= self.max_range {
            let message = format!("query exceeds max block range {}", self.max_range);
            return Err(RpcError { code: -32005, message });
        }
        Ok((from, to))
    }

    fn logs(&self, filter: &Value) -> Result<Value, RpcError> {
        let (from, to) = self.range(filter)?;
        let none = Vec::new();
        let topics = filter["topics"].as_array().unwrap_or(&none);
        let contracts = filter["address"].as_array();
        let is_asked = |log: &Value| {
            contracts.is_none_or(|all| all.iter().any(|one| lower(one) == lower(&log["address"])))
        };
        let records = self.records.iter().filter(|r| (from..=to).contains(&r.block));
        Ok(records
            .flat_map(Record::logs)
            .filter(|log| is_asked(log))
            .filter(|log| {
                let has = log["topics"].as_array().map_or(&[][..], Vec::as_slice);
                has.len() >= topics.len()
                    && topics.iter().zip(has).all(|(wanted, topic)| match wanted {
                        Value::Null => true,
                        Value::Array(any) => any.iter().any(|one| lower(one) == lower(topic)),
                        one => lower(one) == lower(topic),
                    })
            })
            .take(self.max_rows)
            .cloned()
            .collect())
    }

    fn trace_filter(&self, filter: &Value) -> Result<Value, RpcError> {
        let (from, to) = self.range(filter)?;
        let side = if filter["fromAddress"].is_array() { "from" } else { "to" };
        let wallet = lower(&filter[format!("{side}Address")][0]);
        let records = self.records.iter().filter(|r| (from..=to).contains(&r.block));
        Ok(records
            .filter(|record| {
                let inside = record.internal().unwrap_or_default();
                record.party(side) == wallet || inside.iter().any(|row| lower(&row[side]) == wallet)
            })
            .take(self.max_rows)
            .map(|r| json!({"transactionHash": r.hash, "blockNumber": r.block}))
            .collect())
    }

    fn search_after(&self, params: &[Value]) -> Result<Value, RpcError> {
        let bad = || RpcError::invalid_params("address, block, page size");
        let [wallet, after, size] = params else { return Err(bad()) };
        let (after, size) = (after.as_u64().ok_or_else(bad)?, size.as_u64().ok_or_else(bad)?);
        let wallet = lower(wallet);
        let touches = |record: &Record| {
            let inside = record.internal().unwrap_or_default();
            ["from", "to"].iter().any(|side| {
                record.party(side) == wallet
                    || inside.iter().any(|row| lower(&row[*side]) == wallet)
            }) || lower(&record.json["receipt"]["contractAddress"]) == wallet
        };
        let mut found: Vec<&Record> = Vec::new();
        let mut is_newest = true;
        for record in self.records.iter().filter(|r| r.block > after && touches(r)) {
            let same_block = found.last().is_some_and(|last| last.block == record.block);
            if found.len() as u64 >= size && !same_block {
                is_newest = false;
                break;
            }
            found.push(record);
        }
        found.reverse();
        let txs: Vec<Value> =
            found.iter().map(|record| self.placed(&record.json["transaction"])).collect();
        Ok(json!({"txs": txs, "receipts": [], "firstPage": is_newest, "lastPage": after == 0}))
    }

    fn traced(
        &self,
        hash: &Value,
        form: fn(&Record, &[Value]) -> Value,
    ) -> Result<Value, RpcError> {
        let refused = |message: &str| RpcError { code: -32000, message: message.to_owned() };
        let record = self.record(&lower(hash)).ok_or_else(|| refused("transaction not found"))?;
        if let Some(words) = self.trace_faults.get(&record.hash) {
            return Err(refused(words));
        }
        let inside = record.internal();
        let inside = inside.ok_or_else(|| refused("required historical state unavailable"))?;
        Ok(form(record, inside))
    }

    fn frames(record: &Record, inside: &[Value]) -> Value {
        let calls: Vec<Value> = inside
            .iter()
            .map(|row| {
                let kind = row["type"].as_str().unwrap_or("call").to_ascii_uppercase();
                let to = row["to"].as_str().or(row["contract_address"].as_str());
                let mut call = json!({"type": kind, "from": row["from"], "to": to,
                    "value": hex(big(&row["value"]).unwrap_or_default())});
                if is_true(&row["is_error"]) {
                    call["error"] = json!("execution reverted");
                }
                call
            })
            .collect();
        let of = &record.json["transaction"];
        json!({"type": "CALL", "from": of["from"], "to": of["to"], "value": of["value"],
            "calls": calls})
    }

    fn parity(record: &Record, inside: &[Value]) -> Value {
        let of = &record.json["transaction"];
        let call = |path: Vec<usize>, row: &Value, value: String, failed: bool| {
            let mut trace = json!({"type": "call", "traceAddress": path,
                "action": {"callType": "call", "from": row["from"], "to": row["to"], "value": value}});
            if failed {
                trace["error"] = json!("Reverted");
            }
            trace
        };
        let own = hex(big(&of["value"]).unwrap_or_default());
        let mut traces = vec![call(vec![], of, own, false)];
        traces.extend(inside.iter().enumerate().map(|(place, row)| {
            let value = hex(big(&row["value"]).unwrap_or_default());
            call(vec![place], row, value, is_true(&row["is_error"]))
        }));
        json!(traces)
    }

    fn operations(_: &Record, inside: &[Value]) -> Value {
        let taken = inside.iter().filter(|row| !is_true(&row["is_error"]));
        taken
            .map(|row| {
                json!({"type": 0, "from": row["from"], "to": row["to"],
                    "value": hex(big(&row["value"]).unwrap_or_default())})
            })
            .collect()
    }

    /// The block of a question about the state, which must be kept.
    fn state(&self, tag: &Value) -> Result<u64, RpcError> {
        let block = self.tag(tag)?;
        match self.state_from {
            Some(from) if block >= from => Ok(block),
            _ => Err(RpcError {
                code: -32000,
                message: "missing trie node: state is not recorded".to_owned(),
            }),
        }
    }

    fn native_balance(&self, wallet: &str, block: u64) -> u128 {
        let allocated = self.allocations.get(wallet).copied().unwrap_or_default();
        let mut sum = i128::try_from(allocated).unwrap_or(i128::MAX);
        let signed =
            |value: &Value| i128::try_from(big(value).unwrap_or_default()).unwrap_or(i128::MAX);
        for record in self.records.iter().filter(|record| record.block <= block) {
            let receipt = &record.json["receipt"];
            if record.party("from") == wallet {
                let gas = signed(&receipt["gasUsed"]) * signed(&receipt["effectiveGasPrice"]);
                sum -= gas + signed(&receipt["l1Fee"]);
            }
            if record.failed() {
                continue;
            }
            let own = std::iter::once(&record.json["transaction"]);
            let inside = record.internal().unwrap_or_default();
            for row in own.chain(inside.iter().filter(|row| !is_true(&row["is_error"]))) {
                let moved = signed(&row["value"]);
                sum -= if lower(&row["from"]) == wallet { moved } else { 0 };
                sum += if lower(&row["to"]) == wallet { moved } else { 0 };
            }
        }
        u128::try_from(sum).unwrap_or_default()
    }

    fn token_balance(&self, contract: &str, wallet: &str, block: u64) -> u128 {
        if self.fakes.contains(contract) {
            return 0;
        }
        let mut sum = 0_i128;
        let records = self.records.iter().filter(|record| record.block <= block);
        for log in records.flat_map(Record::logs) {
            let topics = log["topics"].as_array().map_or(&[][..], Vec::as_slice);
            if lower(&log["address"]) != contract || topics.len() != 3 || topics[0] != TRANSFER {
                continue;
            }
            let moved = i128::try_from(big(&log["data"]).unwrap_or_default()).unwrap_or_default();
            sum -= if of_topic(&topics[1]) == wallet { moved } else { 0 };
            sum += if of_topic(&topics[2]) == wallet { moved } else { 0 };
        }
        if sum > 0 {
            sum += self.drift.get(contract).copied().unwrap_or_default();
        }
        u128::try_from(sum).unwrap_or_default()
    }

    fn eth_call(&self, call: &Value, tag: &Value) -> Result<Value, RpcError> {
        let (to, data) = (lower(&call["to"]), lower(&call["data"]));
        let word = |number: u128| json!(format!("0x{number:064x}"));
        let reverted = || RpcError { code: 3, message: "execution reverted".to_owned() };
        match data.get(..10).unwrap_or_default() {
            "0x313ce567" => {
                self.decimals.get(&to).map(|n| word(u128::from(*n))).ok_or_else(reverted)
            }
            "0x95d89b41" => {
                let symbol = self.symbols.get(&to).ok_or_else(reverted)?;
                let text: String = symbol.bytes().map(|byte| format!("{byte:02x}")).collect();
                Ok(json!(format!("0x{:064x}{:064x}{text:0<64}", 32, symbol.len())))
            }
            "0x70a08231" if self.silent.contains(&to) => Err(reverted()),
            "0x70a08231" => {
                let block = self.state(tag)?;
                let wallet = format!("0x{}", data.get(34..74).unwrap_or_default());
                Ok(word(self.token_balance(&to, &wallet, block)))
            }
            _ => Err(reverted()),
        }
    }
}

fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || matches!(value.as_str(), Some("1" | "true"))
}

fn hex(number: u128) -> String {
    format!("{number:#x}")
}

fn no_method(method: &str) -> RpcError {
    let message = format!("the method {method} does not exist/is not available");
    RpcError { code: -32601, message }
}
