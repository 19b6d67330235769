//! The Solana RPC methods we use: how they are asked and how their answers are read.
//!
//! Everything is asked at commitment `finalized`: what is read once never changes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use pnl_core::{Address, Chain, RawAmount, RawTransaction, TxId};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::json_rpc::RpcCall;
use crate::source::{SIGNATURE_PAGE_LIMIT, SignatureInfo, TokenAccount};

/// The SPL Token program.
pub const TOKEN_PROGRAM: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
/// The Token-2022 program.
pub const TOKEN_2022_PROGRAM: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

const FINALIZED: &str = "finalized";

pub(crate) fn get_slot() -> RpcCall {
    RpcCall::new("getSlot", json!([{"commitment": FINALIZED}]))
}

pub(crate) fn get_block_time(slot: u64) -> RpcCall {
    RpcCall::new("getBlockTime", json!([slot]))
}

pub(crate) fn get_balance(wallet: &Address) -> RpcCall {
    RpcCall::new("getBalance", json!([wallet, {"commitment": FINALIZED}]))
}

pub(crate) fn get_token_accounts(wallet: &Address, program: &str) -> RpcCall {
    let config = json!({"encoding": "jsonParsed", "commitment": FINALIZED});
    RpcCall::new("getTokenAccountsByOwner", json!([wallet, {"programId": program}, config]))
}

/// A node that has not reached `newest_seen` refuses (-32016): its list would lack what others have
/// shown already. 0 is no condition.
pub(crate) fn get_signatures(
    address: &Address,
    before: Option<&TxId>,
    until: Option<&TxId>,
    newest_seen: u64,
) -> RpcCall {
    let mut config = json!({"limit": SIGNATURE_PAGE_LIMIT, "commitment": FINALIZED});
    if newest_seen > 0 {
        config["minContextSlot"] = json!(newest_seen);
    }
    if let Some(before) = before {
        config["before"] = json!(before);
    }
    if let Some(until) = until {
        config["until"] = json!(until);
    }
    RpcCall::new("getSignaturesForAddress", json!([address, config]))
}

/// A node refuses every transaction of a version above `maxSupportedTransactionVersion`, and all versioned ones
/// without it. Version 1 (SIMD-0385) has the same keys, balances and instructions, and no lookup tables.
pub(crate) fn get_transaction(id: &TxId) -> RpcCall {
    let config = json!({
        "encoding": "json",
        "maxSupportedTransactionVersion": 1,
        "commitment": FINALIZED,
    });
    RpcCall::new("getTransaction", json!([id, config]))
}

/// A result that must not be null.
pub(crate) fn some(result: Option<&RawValue>) -> Result<&RawValue, Failure> {
    result.ok_or_else(|| Failure::malformed("the result is null"))
}

pub(crate) fn read_u64(result: &RawValue) -> Result<u64, Failure> {
    serde_json::from_str(result.get()).map_err(Failure::malformed)
}

pub(crate) fn read_i64(result: &RawValue) -> Result<i64, Failure> {
    serde_json::from_str(result.get()).map_err(Failure::malformed)
}

/// An account value and the slot it was read at.
#[derive(Deserialize)]
struct WithContext<T> {
    context: Context,
    value: T,
}

#[derive(Deserialize)]
struct Context {
    slot: u64,
}

/// Lamports and the slot at which they were there.
pub(crate) fn read_balance(result: &RawValue) -> Result<(u64, u64), Failure> {
    let balance: WithContext<u64> =
        serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    Ok((balance.value, balance.context.slot))
}

/// The rows of a page, which must come newest first and begin with `first`, where that is known.
pub(crate) fn read_signatures(
    result: &RawValue,
    first: Option<&TxId>,
) -> Result<Vec<SignatureInfo>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Row {
        signature: String,
        slot: u64,
        /// Null when it succeeded. A row without it says nothing and is refused.
        #[serde(deserialize_with = "required")]
        err: Value,
        block_time: Option<i64>,
    }
    let rows: Vec<Row> = serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    if rows.len() > SIGNATURE_PAGE_LIMIT {
        return Err(Failure::malformed(format!("{} rows in one page", rows.len())));
    }
    if !rows.is_sorted_by(|a, b| a.slot >= b.slot) {
        return Err(Failure::malformed("a page that is not newest first"));
    }
    if let Some(first) = first {
        let place = match rows.first() {
            Some(row) if row.signature == first.as_str() => Ok(()),
            Some(_) => Err("begins with another"),
            None => Err("is empty"),
        };
        place.map_err(|it| {
            Failure::PlaceUnknown(format!("the page that should begin with {first} {it}"))
        })?;
    }
    rows.into_iter()
        .map(|row| {
            if !is_signature(&row.signature) {
                return Err(Failure::malformed("a row without a valid signature"));
            }
            Ok(SignatureInfo {
                tx_id: TxId::new(&row.signature),
                slot: row.slot,
                block_time: row.block_time,
                failed: !row.err.is_null(),
            })
        })
        .collect()
}

/// A value that may be null but not absent.
fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Value::deserialize(deserializer)
}

/// Whether `text` is base58 of 64 bytes.
fn is_signature(text: &str) -> bool {
    let mut bytes = [0u8; 64];
    (64..=88).contains(&text.len()) && bs58::decode(text).onto(&mut bytes) == Ok(bytes.len())
}

/// Keeps the node's bytes as they are; reads only what identifies the transaction.
pub(crate) fn read_transaction(
    asked: &TxId,
    result: Option<&RawValue>,
) -> Result<RawTransaction, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outline {
        slot: u64,
        block_time: Option<i64>,
        transaction: Signed,
    }
    #[derive(Deserialize)]
    struct Signed {
        signatures: Vec<String>,
    }
    let result = result.ok_or(Failure::Missing)?;
    let outline: Outline = serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    if outline.transaction.signatures.first().map(String::as_str) != Some(asked.as_str()) {
        return Err(Failure::malformed("another transaction than the one asked for"));
    }
    Ok(RawTransaction {
        chain: Chain::Solana,
        tx_id: asked.clone(),
        block: outline.slot,
        block_time: outline.block_time,
        json: result.get().as_bytes().to_vec(),
    })
}

#[derive(Deserialize)]
struct TokenRow {
    pubkey: String,
    account: AccountRow,
}

#[derive(Deserialize)]
struct AccountRow {
    lamports: u64,
    owner: String,
    data: AccountData,
}

/// A node falls back to bytes where it cannot explain an account, for example because its mint was
/// closed.
#[derive(Deserialize)]
#[serde(untagged)]
enum AccountData {
    Parsed { parsed: Parsed },
    Bytes(String, String),
}

#[derive(Deserialize)]
struct Parsed {
    info: TokenInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenInfo {
    mint: String,
    owner: String,
    token_amount: TokenAmount,
}

#[derive(Deserialize)]
struct TokenAmount {
    amount: String,
    decimals: u8,
}

/// The open token accounts of `wallet` under `program`, and the slot at which they were seen.
pub(crate) fn read_token_accounts(
    wallet: &Address,
    program: &str,
    result: &RawValue,
) -> Result<(Vec<TokenAccount>, u64), Failure> {
    let answer: WithContext<Vec<TokenRow>> =
        serde_json::from_str(result.get()).map_err(Failure::malformed)?;
    let accounts = answer
        .value
        .into_iter()
        .map(|row| read_token_account(wallet, program, row))
        .collect::<Result<Vec<_>, _>>()?;
    Ok((accounts, answer.context.slot))
}

fn read_token_account(
    wallet: &Address,
    program: &str,
    row: TokenRow,
) -> Result<TokenAccount, Failure> {
    let TokenRow { pubkey, account } = row;
    if account.owner != program {
        return Err(Failure::malformed("a token account of another program than asked for"));
    }
    let held = match account.data {
        AccountData::Parsed { parsed: Parsed { info } } => Held {
            mint: info.mint,
            owner: info.owner,
            raw: info.token_amount.amount.parse().map_err(Failure::malformed)?,
            decimals: Some(info.token_amount.decimals),
        },
        AccountData::Bytes(data, encoding) => read_account_bytes(&data, &encoding)?,
    };
    if held.owner != wallet.as_str() {
        return Err(Failure::malformed("a token account of another owner than asked for"));
    }
    Ok(TokenAccount {
        address: Address::from_chain_data(&pubkey),
        mint: Address::from_chain_data(&held.mint),
        program: Address::from_chain_data(program),
        lamports: account.lamports,
        raw: held.raw,
        decimals: held.decimals,
    })
}

struct Held {
    mint: String,
    owner: String,
    raw: RawAmount,
    decimals: Option<u8>,
}

/// The fixed head of a token account, the same in both programs: mint (32 bytes), owner (32 bytes),
/// amount (u64, little endian). Source: spl-token `state::Account`.
fn read_account_bytes(data: &str, encoding: &str) -> Result<Held, Failure> {
    let bytes = match encoding {
        "base64" => BASE64.decode(data).map_err(Failure::malformed)?,
        "base58" => bs58::decode(data).into_vec().map_err(Failure::malformed)?,
        other => return Err(Failure::malformed(format!("account data in {other:?}"))),
    };
    let short = || Failure::malformed("account data too short for a token account");
    let (mint, rest) = bytes.split_first_chunk::<32>().ok_or_else(short)?;
    let (owner, rest) = rest.split_first_chunk::<32>().ok_or_else(short)?;
    let (amount, _) = rest.split_first_chunk::<8>().ok_or_else(short)?;
    Ok(Held {
        mint: bs58::encode(mint).into_string(),
        owner: bs58::encode(owner).into_string(),
        raw: RawAmount::from(u64::from_le_bytes(*amount)),
        decimals: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: &str = "So11111111111111111111111111111111111111112";
    const MINT: &str = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";

    fn raw(value: &Value) -> Box<RawValue> {
        RawValue::from_string(value.to_string()).unwrap()
    }

    fn accounts(row: &Value) -> Result<(Vec<TokenAccount>, u64), Failure> {
        let answer = raw(&json!({"context": {"slot": 9}, "value": [row]}));
        read_token_accounts(&Address::from_chain_data(WALLET), TOKEN_2022_PROGRAM, &answer)
    }

    fn parsed(owner: &str, program: &str) -> Value {
        let info = json!({"mint": MINT, "owner": owner, "state": "initialized",
            "tokenAmount": {"amount": "18446744073709551615", "decimals": 6, "uiAmount": 1.5}});
        json!({"pubkey": MINT, "account": {"lamports": 2039280, "owner": program, "space": 165,
            "data": {"program": "spl-token", "parsed": {"type": "account", "info": info}}}})
    }

    #[test]
    fn a_parsed_token_account_keeps_every_unit() {
        let (read, slot) = accounts(&parsed(WALLET, TOKEN_2022_PROGRAM)).unwrap();
        assert_eq!((slot, read.len()), (9, 1));
        assert_eq!(read[0].raw, RawAmount::from(u64::MAX));
        assert_eq!((read[0].decimals, read[0].lamports), (Some(6), 2_039_280));
    }

    #[test]
    fn an_account_the_node_cannot_explain_is_read_from_its_bytes() {
        let mut bytes = bs58::decode(MINT).into_vec().unwrap();
        bytes.extend(bs58::decode(WALLET).into_vec().unwrap());
        bytes.extend(77u64.to_le_bytes());
        bytes.extend([0; 93]);
        let row = json!({"pubkey": MINT, "account": {"lamports": 1, "owner": TOKEN_2022_PROGRAM,
            "data": [BASE64.encode(&bytes), "base64"]}});
        let (read, _) = accounts(&row).unwrap();
        assert_eq!((read[0].mint.as_str(), read[0].decimals), (MINT, None));
        assert_eq!(read[0].raw, RawAmount::from(77u64));
        let cut = json!({"pubkey": MINT, "account": {"lamports": 1, "owner": TOKEN_2022_PROGRAM,
            "data": [BASE64.encode(&bytes[..70]), "base64"]}});
        assert!(accounts(&cut).is_err());
    }

    #[test]
    fn accounts_that_were_not_asked_for_are_refused() {
        assert!(accounts(&parsed(MINT, TOKEN_2022_PROGRAM)).is_err());
        assert!(accounts(&parsed(WALLET, TOKEN_PROGRAM)).is_err());
    }

    #[test]
    fn signature_rows_are_read_strictly() {
        let signature = bs58::encode([7u8; 64]).into_string();
        let row = |slot: Value, signature: &str| {
            json!([{"signature": signature, "slot": slot, "err": {"InstructionError": [0, "x"]},
                "memo": null, "blockTime": null}])
        };
        let read = read_signatures(&raw(&row(json!(5), &signature)), None).unwrap();
        assert_eq!((read[0].slot, read[0].block_time, read[0].failed), (5, None, true));
        for bad in [
            row(json!("5"), &signature),
            row(json!(-5), &signature),
            row(json!(5), "tooShort"),
            json!([{"signature": signature, "slot": 5, "blockTime": 1}]),
            json!({"value": []}),
        ] {
            assert!(read_signatures(&raw(&bad), None).is_err(), "{bad}");
        }
        assert_eq!(read_signatures(&raw(&json!([])), None), Ok(vec![]));
    }

    #[test]
    fn a_page_begins_where_the_list_goes_on_and_comes_newest_first() {
        let signature = |byte: u8| bs58::encode([byte; 64]).into_string();
        let page = |slots: &[(u8, u64)]| {
            let rows = slots.iter().map(|(byte, slot)| {
                json!({"signature": signature(*byte), "slot": slot, "err": null, "blockTime": 1})
            });
            raw(&rows.collect())
        };
        let first = TxId::new(&signature(1));
        assert!(read_signatures(&page(&[(1, 9), (2, 9), (3, 7)]), Some(&first)).is_ok());
        for (odd, told) in
            [(page(&[(2, 9), (1, 9)]), "begins with another"), (page(&[]), "is empty")]
        {
            let failure = read_signatures(&odd, Some(&first)).unwrap_err();
            assert!(matches!(&failure, Failure::PlaceUnknown(it) if it.ends_with(told)), "{told}");
        }
        assert!(read_signatures(&page(&[(1, 9), (2, 10)]), None).is_err());
    }

    #[test]
    fn a_list_is_asked_of_nodes_that_have_what_was_seen() {
        let asked = |newest_seen| {
            let call = get_signatures(&Address::from_chain_data(WALLET), None, None, newest_seen);
            let body: Value = serde_json::from_slice(&call.body).unwrap();
            body["params"][1].get("minContextSlot").cloned()
        };
        assert_eq!((asked(0), asked(77)), (None, Some(json!(77))));
    }

    #[test]
    fn a_transaction_is_kept_as_sent_and_must_be_the_one_asked_for() {
        let id = TxId::new("sig1");
        let text =
            r#"{ "slot":3, "transaction":{"signatures":["sig1","sig2"]},"meta":{"fee":5.0} }"#;
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let read = read_transaction(&id, Some(&raw)).unwrap();
        assert_eq!((read.json.as_slice(), read.block), (raw.get().as_bytes(), 3));
        assert_eq!(read.block_time, None);
        assert!(read_transaction(&TxId::new("sig2"), Some(&raw)).is_err());
        assert_eq!(read_transaction(&id, None), Err(Failure::Missing));
    }
}
