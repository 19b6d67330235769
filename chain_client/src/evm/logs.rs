//! Enumeration by a node alone: events that move tokens, traces, and Otterscan's index.

use pnl_core::{Address, Chain, TxId};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::node::{hash, hex, quantity, result};
use super::ranges::is_round;
use super::refusal::of_range_error;
use super::{Activity, ActivityPage};
use crate::failure::{Failure, RANGE_TOO_LARGE, Scope};
use crate::json_rpc::Reply;

/// `Transfer(address,address,uint256)` of ERC-20 and ERC-721.
const TRANSFER: &str = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
/// `TransferSingle` of ERC-1155.
const SINGLE: &str = "0xc3d58168c5ae7397731d063d5bbf3d657854427343f4c083240f7aacaa2d0f62";
/// `TransferBatch` of ERC-1155.
const BATCH: &str = "0x4a39dc06d4c0dbc64b70af90fd698a233a518aa5d07e595d983b8c0526c8f7fb";
/// `Deposit(address,uint256)` of a wrapped coin.
const DEPOSIT: &str = "0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c";
/// `Withdrawal(address,uint256)` of a wrapped coin.
const WITHDRAWAL: &str = "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65";

/// `Mint(address,uint256)` and `Burn(address,uint256)`.
const MINT_OR_BURN: [&str; 2] = [
    "0x0f6798a560793a54c3bcfe86a93cde1e73087d944c0ea20544137d4121396885",
    "0xcc16f5dbb4873280815c1ee09dbd06736cffcc184412cf7a71a0fdb75d397ca5",
];
/// The tokens of Ethereum that have these in place of a `Transfer`, as the parser reads them: SAI, PETH,
/// MKR.
const OLD_TOKENS: [&str; 3] = [
    "0x89d24a6b4ccb1b6faa2625fe562bdd9a23260359",
    "0xf53ad2c6851052a81b42133467480961b2321c09",
    "0x9f8f72aa9304c8b593d555f12ef6589cc3a579a2",
];

/// Transactions on one page of Otterscan's index: nodes allow no more.
pub(super) const OTTERSCAN_PAGE: u64 = 25;

/// The questions that find every event that moves tokens of a wallet by an indexed argument: it stands in
/// the first, second or third one. On Ethereum one more, for tokens that are older than the standard.
pub(super) fn log_filters(chain: Chain, wallet: &Address, from: u64, to: u64) -> Vec<Value> {
    let digits = wallet.as_str().strip_prefix("0x").unwrap_or_default();
    let word = format!("0x{digits:0>64}");
    let filter =
        |topics: Value| json!([{"fromBlock": hex(from), "toBlock": hex(to), "topics": topics}]);
    let mut filters = vec![
        filter(json!([[TRANSFER, DEPOSIT, WITHDRAWAL], word])),
        filter(json!([[TRANSFER, SINGLE, BATCH], null, word])),
        filter(json!([[SINGLE, BATCH], null, null, word])),
    ];
    if chain == Chain::Ethereum {
        let mut of_old_tokens = filter(json!([MINT_OR_BURN, word]));
        of_old_tokens[0]["address"] = json!(OLD_TOKENS);
        filters.push(of_old_tokens);
    }
    filters
}

/// The two questions that find every call from and to a wallet.
pub(super) fn trace_filters(wallet: &Address, from: u64, to: u64) -> Vec<Value> {
    let range = |side: &str| json!([{"fromBlock": hex(from), "toBlock": hex(to), side: [wallet]}]);
    vec![range("fromAddress"), range("toAddress")]
}

/// The transactions of the events or traces of an answer over the blocks `from` to `to`.
pub(super) fn read_rows(reply: &Reply<'_>, from: u64, to: u64) -> Result<Vec<Activity>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        // Rewards of a block belong to no transaction.
        #[serde(default)]
        transaction_hash: Option<String>,
        block_number: Number,
        #[serde(default)]
        removed: bool,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(u64),
        Hex(String),
    }
    if let Reply::Error { code, message } = reply {
        return Err(of_range_error(*code, message, to.saturating_sub(from).saturating_add(1)));
    }
    let rows: Vec<Row> = serde_json::from_str(result(reply)?.get()).map_err(Failure::malformed)?;
    // Some nodes cut an answer and say nothing. One block cannot be asked for in parts.
    if to > from && is_round(rows.len()) {
        let detail = format!("{} rows, which may be a cut answer", rows.len());
        return Err(Failure::Refused { code: RANGE_TOO_LARGE, detail, scope: Scope::Provider });
    }
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let block = match &row.block_number {
            Number::Plain(number) => *number,
            Number::Hex(text) => quantity(text)?,
        };
        if !(from..=to).contains(&block) {
            return Err(Failure::malformed("an event outside the blocks asked for"));
        }
        if let Some(id) = row.transaction_hash
            && !row.removed
        {
            found.push(Activity { block, tx_id: TxId::new(&hash(&id)?), block_time: None });
        }
    }
    Ok(found)
}

/// The question for a page of Otterscan's index behind block `after`.
pub(super) fn search_after(wallet: &Address, after: u64) -> Value {
    json!([wallet, after, OTTERSCAN_PAGE])
}

/// A page of Otterscan's index: whole blocks, of which the newest stands first.
pub(super) fn read_search(result: &RawValue, from: u64, to: u64) -> Result<ActivityPage, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Page {
        txs: Vec<Row>,
        first_page: bool,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        hash: String,
        block_number: String,
    }
    let page: Page = serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    let mut rows = Vec::with_capacity(page.txs.len());
    for row in page.txs {
        let block = quantity(&row.block_number)?;
        if block < from {
            return Err(Failure::malformed("a page that begins before the block asked for"));
        }
        rows.push(Activity { block, tx_id: TxId::new(&hash(&row.hash)?), block_time: None });
    }
    let newest = rows.iter().map(|row| row.block).max();
    let reached = match newest {
        _ if page.first_page => to,
        Some(newest) => newest.min(to),
        None => return Err(Failure::malformed("an empty page that is not the last one")),
    };
    rows.retain(|row| row.block <= to);
    Ok(whole_page(rows, reached))
}

/// A page of these rows, each transaction once, oldest first.
pub(super) fn whole_page(mut rows: Vec<Activity>, reached: u64) -> ActivityPage {
    // Of equal transactions the one with a time comes last and stays.
    rows.sort();
    rows.reverse();
    rows.dedup_by(|a, b| a.tx_id == b.tx_id);
    rows.reverse();
    ActivityPage { rows, reached }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn id(byte: u8) -> String {
        format!("0x{byte:064x}")
    }

    #[test]
    fn a_wallet_is_looked_for_in_every_argument_that_can_name_it() {
        let wallet = Address::from_chain_data("0x00000000000000000000000000000000000000ab");
        assert_eq!(log_filters(Chain::Base, &wallet, 16, 255).len(), 3);
        let filters = log_filters(Chain::Ethereum, &wallet, 16, 255);
        assert_eq!(filters[3][0]["address"], json!(OLD_TOKENS));
        assert_eq!(filters[3][0]["topics"], json!([MINT_OR_BURN, filters[0][0]["topics"][1]]));
        let word = format!("0x{:064x}", 0xab);
        assert_eq!(filters[0][0]["fromBlock"], "0x10");
        assert_eq!(filters[0][0]["topics"][1], word);
        assert_eq!(filters[1][0]["topics"][2], word);
        assert_eq!(filters[2][0]["topics"][3], word);
        assert_eq!(trace_filters(&wallet, 0, 1)[1][0]["toAddress"], json!([wallet]));
    }

    #[test]
    fn events_and_traces_are_read_by_their_transactions() {
        let rows = raw(&json!([
            {"transactionHash": id(2), "blockNumber": "0x6"},
            {"transactionHash": id(1), "blockNumber": 5},
            {"transactionHash": null, "blockNumber": 5},
            {"transactionHash": id(3), "blockNumber": "0x6", "removed": true}]));
        let read = read_rows(&Reply::Result(&rows), 5, 6).unwrap();
        assert_eq!(read.iter().map(|row| row.block).collect::<Vec<_>>(), [6, 5]);
        assert!(read_rows(&Reply::Result(&rows), 5, 5).is_err(), "a row outside the range");
        let null = raw(&Value::Null);
        assert!(read_rows(&Reply::Result(&null), 5, 6).is_err(), "null is no empty list");
    }

    #[test]
    fn a_page_of_the_index_reaches_its_newest_block_or_the_end() {
        let page = |first: bool| {
            raw(&json!({"txs": [{"hash": id(2), "blockNumber": "0x9"},
                {"hash": id(1), "blockNumber": "0x7"}], "receipts": [], "firstPage": first, "lastPage": true}))
        };
        let read = read_search(&page(false), 5, 20).unwrap();
        assert_eq!((read.reached, read.rows.len(), read.rows[0].block), (9, 2, 7));
        assert_eq!(read_search(&page(true), 5, 20).unwrap().reached, 20);
        let cut = read_search(&page(false), 5, 8).unwrap();
        assert_eq!((cut.reached, cut.rows.len()), (8, 1));
        assert!(read_search(&page(true), 8, 20).is_err(), "older than asked for");
        let empty = raw(&json!({"txs": [], "receipts": [], "firstPage": false, "lastPage": false}));
        assert!(read_search(&empty, 5, 20).is_err());
    }
}
