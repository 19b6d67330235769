//! The lists of an explorer.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{EvmChain, Record, big, lower, of_topic};

const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
const SINGLE: &str = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62";
const BATCH: &str = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb";
/// The largest window of results.
const WINDOW: usize = 10_000;

fn no(said: &str) -> Value {
    json!({"status": "0", "message": "NOTOK", "result": said})
}

fn newest_block(block: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": 83, "result": format!("{block:#x}")})
}

impl EvmChain {
    /// The answer to a query.
    pub(crate) fn explored(&self, query: &HashMap<String, String>) -> Value {
        let get = |name: &str| query.get(name).map_or("", String::as_str);
        let is_refused = self.refused.is_empty() || self.refused.contains(get("action"));
        if let Some(words) = self.refusal.as_ref().filter(|_| is_refused) {
            return no(words);
        }
        let count = |name: &str, default: u64| get(name).parse().unwrap_or(default);
        if self.lacks.contains(get("action")) {
            return no("Error! Missing Or invalid Action name");
        }
        match (get("module"), get("action")) {
            ("account", _) => {}
            ("block", "getblocknobytime") => return self.block_at(get("timestamp")),
            ("block", "eth_block_number") => {
                return newest_block(self.head().min(self.indexed_to));
            }
            // Answered by the node behind the explorer, whatever is indexed.
            ("proxy", "eth_blockNumber") => return newest_block(self.head()),
            _ => return no("Error! Missing Or invalid Module name"),
        }
        let wallet = get("address").to_ascii_lowercase();
        let rows: fn(&Record, &str) -> bool = match get("action") {
            "txlist" => sent,
            "txlistinternal" if !get("txhash").is_empty() => {
                return self.internal_of(get("txhash"));
            }
            "txlistinternal" => inside,
            "tokentx" => |record, wallet| moved(record, wallet, 3, &[TRANSFER], [1, 2]),
            "tokennfttx" => |record, wallet| moved(record, wallet, 4, &[TRANSFER], [1, 2]),
            "token1155tx" => |record, wallet| moved(record, wallet, 4, &[SINGLE, BATCH], [2, 3]),
            _ => return no("Error! Missing Or invalid Action name"),
        };
        if wallet.len() != 42 {
            return no("Error! Invalid address format");
        }
        let last = count("endblock", u64::MAX).min(self.indexed_to);
        let blocks = count("startblock", 0)..=last;
        let mut found: Vec<Value> = self
            .records
            .iter()
            .filter(|record| blocks.contains(&record.block) && rows(record, &wallet))
            .map(|record| {
                json!({"hash": record.hash, "blockNumber": record.block.to_string(),
                    "timeStamp": record.time.to_string()})
            })
            .collect();
        if get("action") == "txlist"
            && blocks.contains(&0)
            && self.allocations.contains_key(&wallet)
        {
            let hash = format!("GENESIS_{}", wallet.trim_start_matches("0x"));
            let row = json!({"hash": hash, "blockNumber": "0", "timeStamp": "1438269973"});
            found.insert(0, row);
        }
        if found.len() > self.max_found {
            return no("Query Timeout occured. Please select a smaller result dataset");
        }
        if get("sort") == "desc" {
            found.reverse();
        }
        let (page, offset) = (count("page", 1) as usize, count("offset", 10_000) as usize);
        if page.saturating_mul(offset) > WINDOW {
            let message = "Result window is too large, PageNo x Offset size must be less than or equal to 10000";
            return json!({"status": "0", "message": message, "result": null});
        }
        let skipped = found.into_iter().skip((page - 1) * offset);
        let part: Vec<Value> = skipped.take(offset.min(self.max_page)).collect();
        list(part)
    }

    /// The newest indexed block up to a time.
    fn block_at(&self, time: &str) -> Value {
        let Ok(time) = time.parse::<i64>() else { return no("Error! Invalid parameter") };
        let mut newest = self.head().min(self.indexed_to);
        while newest > 0 && self.block_time(newest) > time {
            newest -= 1;
        }
        json!({"status": "1", "message": "OK", "result": newest.to_string()})
    }

    fn internal_of(&self, hash: &str) -> Value {
        let record = self.record(hash).filter(|record| record.block <= self.indexed_to);
        let rows = record.and_then(Record::internal).unwrap_or_default();
        list(
            rows.iter()
                .map(|row| {
                    json!({"from": row["from"], "to": row["to"].as_str().unwrap_or_default(),
                        "contractAddress": row["contract_address"].as_str().unwrap_or_default(),
                        "value": big(&row["value"]).unwrap_or_default().to_string(),
                        "type": row["type"].as_str().unwrap_or("call"),
                        "traceId": row["trace_id"].as_str().unwrap_or_default(),
                        "isError": if row["is_error"] == true { "1" } else { "0" }})
                })
                .collect(),
        )
    }
}

fn list(rows: Vec<Value>) -> Value {
    if rows.is_empty() {
        return json!({"status": "0", "message": "No transactions found", "result": []});
    }
    json!({"status": "1", "message": "OK", "result": rows})
}

fn sent(record: &Record, wallet: &str) -> bool {
    record.party("from") == wallet
        || record.party("to") == wallet
        || lower(&record.json["receipt"]["contractAddress"]) == wallet
}

fn inside(record: &Record, wallet: &str) -> bool {
    let rows = record.internal().unwrap_or_default();
    rows.iter().any(|row| lower(&row["from"]) == wallet || lower(&row["to"]) == wallet)
}

fn moved(record: &Record, wallet: &str, count: usize, kinds: &[&str], parties: [usize; 2]) -> bool {
    record.logs().iter().any(|log| {
        let topics = log["topics"].as_array().map_or(&[][..], Vec::as_slice);
        topics.len() == count
            && kinds.iter().any(|kind| topics[0] == *kind)
            && parties.iter().any(|place| of_topic(&topics[*place]) == wallet)
    })
}
