//! The dialect of Etherscan, spoken by Blockscout, Routescan and others: module `account`.
//!
//! Lists are paged by blocks, oldest first: a window of results is capped at 10,000 rows, so a page
//! number leads nowhere in a long history.

use pnl_core::{Address, Chain, TxId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::ActivityList;
use super::node::quantity;
use super::traces::InternalTransfer;
use crate::endpoint::Outgoing;
use crate::failure::{Failure, RANGE_TOO_LARGE, Scope};
use crate::limiter::LONGEST_PAUSE;

/// Rows asked for at a time: the largest window that explorers serve.
pub(super) const WINDOW: usize = 10_000;

/// The name of a list in the dialect; `None` for the lists that only nodes have.
pub(super) const fn action(list: ActivityList) -> Option<&'static str> {
    match list {
        ActivityList::Transactions => Some("txlist"),
        ActivityList::Internal => Some("txlistinternal"),
        ActivityList::Erc20 => Some("tokentx"),
        ActivityList::Erc721 => Some("tokennfttx"),
        ActivityList::Erc1155 => Some("token1155tx"),
        ActivityList::Calls | ActivityList::Logs => None,
    }
}

/// The number of the chain, which the second version of the dialect asks for in every call.
pub(super) const fn chain_id(chain: Chain) -> &'static str {
    match chain {
        Chain::Solana => "0",
        Chain::Ethereum => "1",
        Chain::Base => "8453",
        Chain::BinanceSmartChain => "56",
    }
}

/// The parameters that name the chain: Etherscan's, and the one of Blockscout's common instance.
const CHAIN_PARAMETERS: [&str; 2] = ["chainid", "chain_id"];

/// `url` with the chain it is to be asked for, where it is of the dialect's second version and does
/// not name one.
///
/// # Errors
/// The chain that it names, when that is another one.
pub(super) fn url_of_chain(url: &str, chain: Chain) -> Result<String, String> {
    let Ok(mut parsed) = reqwest::Url::parse(url) else { return Ok(url.to_owned()) };
    let mut is_named = false;
    for (name, named) in parsed.query_pairs() {
        if CHAIN_PARAMETERS.contains(&&*name) && named != chain_id(chain) {
            return Err(named.into_owned());
        }
        is_named |= name == CHAIN_PARAMETERS[0];
    }
    let is_v2 = parsed.path().trim_end_matches('/').ends_with("/v2/api");
    if is_v2 && !is_named {
        parsed.query_pairs_mut().append_pair(CHAIN_PARAMETERS[0], chain_id(chain));
    }
    Ok(parsed.into())
}

/// The question for the rows of a list from block `from` to `to`, as many as the explorer gives.
pub(super) fn list_request(action: &str, wallet: &Address, from: u64, to: u64) -> Outgoing {
    page_request(action, wallet, (from, to), (1, WINDOW))
}

/// The question for a page of so many rows of a list in these blocks.
pub(super) fn page_request(
    action: &str,
    wallet: &Address,
    (from, to): (u64, u64),
    (page, rows): (usize, usize),
) -> Outgoing {
    Outgoing::Query {
        pairs: vec![
            ("module", "account".to_owned()),
            ("action", action.to_owned()),
            ("address", wallet.to_string()),
            ("startblock", from.to_string()),
            ("endblock", to.to_string()),
            ("page", page.to_string()),
            ("offset", rows.to_string()),
            ("sort", "asc".to_owned()),
        ],
    }
}

/// The question for what contracts sent each other in one transaction.
pub(super) fn internal_request(tx_id: &TxId) -> Outgoing {
    Outgoing::Query {
        pairs: vec![
            ("module", "account".to_owned()),
            ("action", "txlistinternal".to_owned()),
            ("txhash", tx_id.to_string()),
        ],
    }
}

/// The question for the newest block that the explorer has up to a time, in unix seconds.
pub(super) fn block_at_request(time: i64) -> Outgoing {
    Outgoing::Query {
        pairs: vec![
            ("module", "block".to_owned()),
            ("action", "getblocknobytime".to_owned()),
            ("timestamp", time.to_string()),
            ("closest", "before".to_owned()),
        ],
    }
}

/// The question for the newest block of the explorer's own index. Not that of the module `proxy`, which
/// is answered by the node behind it.
pub(super) fn newest_block_request() -> Outgoing {
    Outgoing::Query {
        pairs: vec![("module", "block".to_owned()), ("action", "eth_block_number".to_owned())],
    }
}

/// The block of either answer. What is no block says that the explorer does not tell, unless it asks
/// to wait: nobody's history fails for a question that not every explorer knows.
pub(super) fn read_block(body: &[u8]) -> Result<u64, Failure> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Text(String),
        Named {
            #[serde(rename = "blockNumber")]
            block: String,
        },
        Other(serde::de::IgnoredAny),
    }
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        message: Option<String>,
        result: Said,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(Failure::malformed)?;
    let (Said::Text(said) | Said::Named { block: said }) = answer.result else {
        return Err(does_not_tell("no block in the answer"));
    };
    if let Some(block) = said.parse().ok().or_else(|| quantity(&said).ok()) {
        return Ok(block);
    }
    // None up to that time: it has indexed nothing that would count.
    if said.to_ascii_lowercase().contains("no closest block") {
        return Ok(0);
    }
    Err(match refusal(&answer.message.unwrap_or_default(), &said) {
        Failure::Transient(detail) => does_not_tell(&detail),
        failure => failure,
    })
}

/// An odd answer counts for this one question: another code than that of a question it does not know,
/// which is not asked again for minutes.
fn does_not_tell(detail: &str) -> Failure {
    let (code, detail) = ("index-unknown", detail.to_owned());
    Failure::Refused { code, detail, scope: Scope::Provider }
}

/// The rows of an answer: a list, or nothing where the explorer says in so many words that there
/// is nothing. Everything else is an error.
pub(super) fn rows<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Vec<T>, Failure> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        status: String,
        #[serde(default)]
        message: Option<String>,
        #[serde(borrow, default)]
        result: Option<&'a RawValue>,
    }
    let answer: Answer<'a> = serde_json::from_slice(body).map_err(Failure::malformed)?;
    let message = answer.message.unwrap_or_default();
    let result = answer.result.map_or("null", RawValue::get);
    if answer.status == "1" {
        return serde_json::from_str(result).map_err(Failure::malformed);
    }
    let lower = message.to_ascii_lowercase();
    let says_nothing = lower.starts_with("no ")
        && ["transactions found", "transfers found"].iter().any(|words| lower.contains(words));
    if answer.status == "0" && says_nothing && matches!(result, "[]" | "null") {
        return Ok(Vec::new());
    }
    let said = serde_json::from_str::<String>(result).unwrap_or_default();
    Err(refusal(&message, &said))
}

/// What an explorer means that gives no list.
fn refusal(message: &str, said: &str) -> Failure {
    let lower = format!("{message} {said}").to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    let detail = format!("{message}: {said}");
    let refused = |code, scope| Failure::Refused { code, detail: detail.clone(), scope };
    if has("rate limit") || has("calls per sec") || has("too many requests") {
        let retry_after = if has("daily") || has("per day") {
            LONGEST_PAUSE
        } else {
            std::time::Duration::from_secs(1)
        };
        Failure::Throttled { retry_after }
    } else if has("not supported for this chain") || has("upgrade") || has("api pro") {
        refused("not-in-plan", Scope::Provider)
    } else if has("invalid api key") || has("missing/invalid api key") || has("apikey") {
        refused("provider-unauthorized", Scope::Provider)
    } else if ["action", "module"]
        .iter()
        .any(|part| has(&format!("invalid {part}")) || has(&format!("unknown {part}")))
    {
        refused("method-not-found", Scope::Provider)
    } else if has("query timeout") || has("smaller result dataset") {
        refused(RANGE_TOO_LARGE, Scope::Provider)
    } else if has("window is too large") || has("invalid address") {
        refused("invalid-params", Scope::Request)
    } else {
        Failure::Transient(format!("explorer says {detail}"))
    }
}

/// The same about a question that cannot be asked for less: the explorer may have time for it later.
pub(super) fn indivisible(failure: Failure) -> Failure {
    match failure {
        Failure::Refused { code: RANGE_TOO_LARGE, detail, .. } => Failure::Transient(detail),
        failure => failure,
    }
}

/// What contracts sent each other in one transaction.
pub(super) fn read_internal(body: &[u8]) -> Result<Vec<InternalTransfer>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        from: String,
        #[serde(default)]
        to: String,
        #[serde(default)]
        contract_address: String,
        value: String,
        #[serde(default, rename = "type")]
        kind: String,
        /// Of a call, beside its type: Blockscout tells only here what is delegated.
        #[serde(default)]
        call_type: Option<String>,
        // A path in the tree of calls. Blockscout's `index` is none: it counts all calls.
        #[serde(default)]
        trace_id: String,
        #[serde(default)]
        is_error: String,
    }
    let rows: Vec<Row> = rows(body).map_err(indivisible)?;
    let address = |text: &str| Address::from_chain_data(&text.to_ascii_lowercase());
    rows.into_iter()
        .map(|row| {
            let to = if row.to.is_empty() { row.contract_address } else { row.to };
            Ok(InternalTransfer {
                from: address(&row.from),
                to: (!to.is_empty()).then(|| address(&to)),
                value: row.value.parse().map_err(Failure::malformed)?,
                kind: row.call_type.filter(|kind| !kind.is_empty()).unwrap_or(row.kind),
                trace_id: row.trace_id,
                is_error: row.is_error == "1",
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn how_far_an_index_reaches_is_told_in_three_forms_or_not_at_all() {
        for told in [
            json!({"status": "1", "message": "OK", "result": "4660"}),
            json!({"status": "1", "message": "OK", "result": {"blockNumber": "4660"}}),
            json!({"jsonrpc": "2.0", "id": 83, "result": "0x1234"}),
        ] {
            assert_eq!(read_block(told.to_string().as_bytes()), Ok(4660), "{told}");
        }
        let failure = |answer: Value| read_block(answer.to_string().as_bytes()).unwrap_err();
        // Only who does not know the question is not asked again for minutes.
        for (said, expected) in [
            ("Error! Missing Or invalid Module name", "method-not-found"),
            ("Error! Block timestamp too far in the future", "index-unknown"),
            ("", "index-unknown"),
        ] {
            let answer = json!({"status": "0", "message": "NOTOK", "result": said});
            let failure = failure(answer);
            assert!(matches!(failure, Failure::Refused { code, .. } if code == expected), "{said}");
        }
        let behind =
            json!({"status": "0", "message": "NOTOK", "result": "Error! No closest block found"});
        assert_eq!(
            read_block(behind.to_string().as_bytes()),
            Ok(0),
            "it has nothing up to that time"
        );
        let none = json!({"message": "Unknown module", "result": null, "status": "0"});
        assert!(matches!(failure(none), Failure::Refused { .. }));
        let busy = json!({"status": "0", "message": "NOTOK", "result": "Max calls per sec rate limit reached"});
        assert!(matches!(failure(busy), Failure::Throttled { .. }));
        assert!(read_block(b"<html>").is_err());
    }

    #[test]
    fn the_second_version_names_the_chain_and_keeps_the_key() {
        let of = |url: &str| url_of_chain(url, Chain::Base);
        assert_eq!(
            of("https://api.etherscan.io/v2/api?apikey=K").unwrap(),
            "https://api.etherscan.io/v2/api?apikey=K&chainid=8453"
        );
        for kept in [
            "https://h/v2/api?chainid=8453",
            "https://h/v2/api?chain_id=8453",
            "https://base.blockscout.com/api",
        ] {
            assert!(of(kept).unwrap().starts_with(kept));
        }
    }

    #[test]
    fn a_url_of_another_chain_is_refused_with_the_chain_that_it_names() {
        for url in ["https://h/v2/api?chainid=10", "https://h/api?a=b&chain_id=10"] {
            assert_eq!(url_of_chain(url, Chain::Base), Err("10".to_owned()), "{url}");
        }
    }

    #[test]
    fn internal_rows_name_the_created_contract_and_keep_their_path() {
        let body = json!({"status": "1", "message": "OK", "result": [
            {"from": "0xA", "to": "", "contractAddress": "0xC", "value": "5", "type": "create",
                "traceId": "0_1", "isError": "1"}]});
        let read = read_internal(body.to_string().as_bytes()).unwrap();
        assert_eq!(read[0].to, Some(Address::from_chain_data("0xc")));
        assert!(read[0].is_error && read[0].trace_id == "0_1");
    }

    #[test]
    fn delegated_calls_are_told_by_the_member_that_names_them() {
        for (kind, told, expected) in [
            ("call", json!("delegatecall"), "delegatecall"),
            ("call", json!(""), "call"),
            ("create", Value::Null, "create"),
        ] {
            let body = json!({"status": "1", "message": "OK", "result": [{"from": "0xA", "to": "0xB",
                "value": "5", "type": kind, "callType": told, "index": "1", "isError": "0"}]});
            assert_eq!(read_internal(body.to_string().as_bytes()).unwrap()[0].kind, expected);
        }
    }
}
