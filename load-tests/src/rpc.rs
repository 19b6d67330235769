//! JSON-RPC as a Solana node speaks it.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::chain::RecordedChain;
use crate::recorded::TokenAccount;

const BASE58: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const LARGEST_PAGE: u64 = 1000;
const MOST_ACCOUNTS: usize = 100;

/// A call that a node refuses.
#[derive(Debug)]
pub(crate) struct RpcError {
    pub code: i64,
    pub message: String,
}

impl RpcError {
    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self { code: -32602, message: message.into() }
    }
}

/// What a fault does to one call of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Strike {
    /// The call is answered with this error code.
    Error(i64),
    /// The call is answered with null.
    Null,
}

/// How many calls a request body holds: those of a batch, else one.
pub(crate) fn count_calls(body: &[u8]) -> usize {
    match serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(body) {
        Ok(batch) => batch.len(),
        Err(_) => 1,
    }
}

/// Answers a request, single or batch. `forgotten` is a signature that lists do not have; `strike` is
/// asked once per call whether a fault takes it; `answered` hears the method of every call that none
/// took.
pub(crate) fn answer(
    chain: &RecordedChain,
    forgotten: Option<&str>,
    body: &[u8],
    strike: impl FnMut() -> Option<Strike>,
    answered: impl FnMut(&str),
) -> String {
    answer_by(|method, params| dispatch(chain, forgotten, method, params), body, strike, answered)
}

/// As [`answer`], by whoever knows the methods.
pub(crate) fn answer_by(
    dispatch: impl Fn(&str, &[Value]) -> Result<Box<RawValue>, RpcError>,
    body: &[u8],
    mut strike: impl FnMut() -> Option<Strike>,
    mut answered: impl FnMut(&str),
) -> String {
    let mut one = |call: &RawValue| answer_one(&dispatch, call, strike(), &mut answered);
    match serde_json::from_slice::<Vec<&RawValue>>(body) {
        Ok(batch) => {
            let answers: Vec<String> = batch.into_iter().map(one).collect();
            format!("[{}]", answers.join(","))
        }
        Err(_) => match serde_json::from_slice::<&RawValue>(body) {
            Ok(call) => one(call),
            Err(_) => error_text("null", -32700, "Parse error"),
        },
    }
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: String,
    #[serde(default)]
    params: Vec<Value>,
}

fn answer_one(
    dispatch: &impl Fn(&str, &[Value]) -> Result<Box<RawValue>, RpcError>,
    call: &RawValue,
    strike: Option<Strike>,
    answered: &mut impl FnMut(&str),
) -> String {
    let Ok(call) = serde_json::from_str::<Call<'_>>(call.get()) else {
        return error_text("null", -32600, "Invalid request");
    };
    let id = call.id.map_or("null", RawValue::get);
    match strike {
        Some(Strike::Null) => return result_text(id, "null"),
        Some(Strike::Error(code)) => return error_text(id, code, "Internal error"),
        None => {}
    }
    answered(&call.method);
    match dispatch(&call.method, &call.params) {
        Ok(result) => result_text(id, result.get()),
        Err(error) => error_text(id, error.code, &error.message),
    }
}

fn result_text(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","result":{result},"id":{id}}}"#)
}

pub(crate) fn error_text(id: &str, code: i64, message: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","error":{},"id":{id}}}"#,
        json!({"code": code, "message": message})
    )
}

fn dispatch(
    chain: &RecordedChain,
    forgotten: Option<&str>,
    method: &str,
    params: &[Value],
) -> Result<Box<RawValue>, RpcError> {
    let value = match method {
        "getSignaturesForAddress" => signatures(chain, forgotten, params)?,
        "getTransaction" => return transaction(chain, params),
        "getTokenAccountsByOwner" => token_accounts(chain, params)?,
        "getBalance" => with_context(chain, json!(chain.lamports(text(params, 0)?))),
        "getAccountInfo" => with_context(chain, account(chain, text(params, 0)?)),
        "getMultipleAccounts" => accounts(chain, params)?,
        "getSlot" | "getBlockHeight" => json!(chain.head()),
        "getBlockTime" => {
            let slot = params.first().and_then(Value::as_u64);
            json!(chain.time_of(slot.ok_or_else(|| RpcError::invalid_params("no slot"))?))
        }
        "getFirstAvailableBlock" | "minimumLedgerSlot" => json!(0),
        "getHealth" => json!("ok"),
        "getVersion" => json!({"feature-set": 0, "solana-core": "2.2.0"}),
        "getGenesisHash" => json!("5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"),
        _ => return Err(RpcError { code: -32601, message: "Method not found".to_owned() }),
    };
    raw(&value)
}

fn raw(value: &Value) -> Result<Box<RawValue>, RpcError> {
    RawValue::from_string(value.to_string())
        .map_err(|error| RpcError { code: -32603, message: error.to_string() })
}

fn text(params: &[Value], place: usize) -> Result<&str, RpcError> {
    let text = params.get(place).and_then(Value::as_str);
    text.ok_or_else(|| RpcError::invalid_params(format!("parameter {place} is no text")))
}

fn is_base58(text: &str, lengths: std::ops::RangeInclusive<usize>) -> bool {
    lengths.contains(&text.len()) && text.chars().all(|c| BASE58.contains(c))
}

fn with_context(chain: &RecordedChain, value: Value) -> Value {
    json!({"context": {"apiVersion": "2.2.0", "slot": chain.head()}, "value": value})
}

fn signatures(
    chain: &RecordedChain,
    forgotten: Option<&str>,
    params: &[Value],
) -> Result<Value, RpcError> {
    let address = text(params, 0)?;
    if !is_base58(address, 32..=44) {
        return Err(RpcError::invalid_params("Invalid param: WrongSize"));
    }
    let config = params.get(1).unwrap_or(&Value::Null);
    let limit = match config.get("limit") {
        None | Some(Value::Null) => LARGEST_PAGE,
        Some(limit) => limit
            .as_u64()
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| RpcError::invalid_params("Invalid limit; max 1000"))?,
    };
    let least = config.get("minContextSlot").and_then(Value::as_u64);
    if least.is_some_and(|least| least > chain.head()) {
        let message = "Minimum context slot has not been reached".to_owned();
        return Err(RpcError { code: -32016, message });
    }
    let end = |name: &str| config.get(name).and_then(Value::as_str);
    let limit = usize::try_from(limit).expect("at most 1000");
    let before = end("before");
    if before.is_some() && before == forgotten {
        return Ok(json!([]));
    }
    let rows = chain.rows(address, before, end("until"), limit + 1);
    Ok(rows
        .into_iter()
        .filter(|row| Some(row.signature.as_str()) != forgotten)
        .take(limit)
        .map(|row| {
            json!({"signature": row.signature, "slot": row.slot, "err": row.err, "memo": null,
                "blockTime": row.block_time, "confirmationStatus": "finalized"})
        })
        .collect())
}

fn transaction(chain: &RecordedChain, params: &[Value]) -> Result<Box<RawValue>, RpcError> {
    let signature = text(params, 0)?;
    if !is_base58(signature, 64..=88) {
        return Err(RpcError::invalid_params("Invalid param: WrongSize"));
    }
    let config = params.get(1).unwrap_or(&Value::Null);
    let encoding = config.as_str().or_else(|| config.get("encoding").and_then(Value::as_str));
    let Some((json, versioned)) = chain.transaction(signature, encoding == Some("jsonParsed"))
    else {
        return raw(&Value::Null);
    };
    if versioned && config.get("maxSupportedTransactionVersion").is_none_or(Value::is_null) {
        let message = "Transaction version (0) is not supported by the requesting client. Please \
            try the request again with the following configuration parameter: \
            \"maxSupportedTransactionVersion\": 0";
        return Err(RpcError { code: -32015, message: message.to_owned() });
    }
    Ok(json)
}

fn token_accounts(chain: &RecordedChain, params: &[Value]) -> Result<Value, RpcError> {
    let owner = text(params, 0)?;
    let filter = params.get(1).unwrap_or(&Value::Null);
    let matches = |name: &str, value: &str| {
        filter.get(name).and_then(Value::as_str).is_none_or(|wanted| wanted == value)
    };
    if filter.get("mint").is_none() && filter.get("programId").is_none() {
        return Err(RpcError::invalid_params("neither mint nor programId"));
    }
    let open: Vec<Value> = chain
        .token_accounts(owner)
        .iter()
        .filter(|(_, account)| {
            matches("mint", &account.mint) && matches("programId", &account.program)
        })
        .map(|(key, account)| json!({"pubkey": key, "account": token_account(chain, key, account)}))
        .collect();
    Ok(with_context(chain, json!(open)))
}

fn token_account(chain: &RecordedChain, key: &str, account: &TokenAccount) -> Value {
    let is_native = account.mint == "So11111111111111111111111111111111111111112";
    let info = json!({"isNative": is_native, "mint": account.mint, "owner": account.owner,
        "state": "initialized", "tokenAmount": account.amount});
    json!({
        "data": {"program": "spl-token", "space": 165,
            "parsed": {"type": "account", "info": info}},
        "executable": false,
        "lamports": chain.lamports(key),
        "owner": account.program,
        "rentEpoch": u64::MAX,
        "space": 165,
    })
}

/// A token account or a mint; others are not recorded.
fn account(chain: &RecordedChain, key: &str) -> Value {
    if let Some(account) = chain.recorded.accounts.get(key) {
        return token_account(chain, key, account);
    }
    let Some((decimals, program)) = chain.recorded.mints.get(key) else { return Value::Null };
    let info = json!({"decimals": decimals, "isInitialized": true, "supply": "0",
        "mintAuthority": null, "freezeAuthority": null});
    json!({
        "data": {"program": "spl-token", "space": 82, "parsed": {"type": "mint", "info": info}},
        "executable": false,
        "lamports": 1_461_600,
        "owner": program,
        "rentEpoch": u64::MAX,
        "space": 82,
    })
}

fn accounts(chain: &RecordedChain, params: &[Value]) -> Result<Value, RpcError> {
    let keys = params.first().and_then(Value::as_array);
    let keys = keys.ok_or_else(|| RpcError::invalid_params("no list of accounts"))?;
    if keys.len() > MOST_ACCOUNTS {
        return Err(RpcError::invalid_params("Too many inputs provided; max 100"));
    }
    let found: Vec<Value> = keys
        .iter()
        .map(|key| key.as_str().map_or(Value::Null, |key| account(chain, key)))
        .collect();
    Ok(with_context(chain, json!(found)))
}
