//! Recordings that cannot be read, and those that can although something is off.

use pnl_core::Address;
use serde_json::{Value, json};
use tx_parser::ParseError;
use tx_parser::solana::{self, Transaction};

use crate::builder::{Builder, DEPOSIT, Instruction, SYSTEM, TOKEN, key, of};
use crate::instructions::{token_transfer, transfer};
use crate::{native, net, note_codes};

const SOL: u64 = 1_000_000_000;

fn payment() -> Builder {
    Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - 5_000 - 9)
        .lamports("friend", SOL, SOL + 9)
        .lamports("account", DEPOSIT, DEPOSIT)
        .held("account", &of("mint", "wallet"), 4, 4)
        .call(transfer("wallet", "friend", 9))
}

fn error(recording: &Value) -> ParseError {
    Transaction::decode(&serde_json::to_vec(recording).unwrap()).unwrap_err()
}

/// The recording with one member replaced, or removed when there is no replacement.
fn changed(pointer: &str, value: Option<Value>) -> Value {
    let mut recording = payment().json();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    let parent = recording.pointer_mut(parent).unwrap();
    match value {
        None => drop(parent.as_object_mut().unwrap().remove(member)),
        Some(value) => match parent {
            Value::Array(items) => items[member.parse::<usize>().unwrap()] = value,
            other => other[member] = value,
        },
    }
    recording
}

#[test]
fn members_without_which_no_balance_is_known_are_errors_with_their_place() {
    for pointer in [
        "/slot",
        "/transaction",
        "/transaction/message",
        "/transaction/message/accountKeys",
        "/transaction/message/header",
        "/meta",
        "/meta/fee",
        "/meta/preBalances",
        "/meta/postBalances",
    ] {
        let error = error(&changed(pointer, None));
        assert_eq!((error.code(), error.at.as_str()), ("missing_member", pointer), "{error}");
    }
    let error = error(&changed("/transaction/signatures", Some(json!([]))));
    assert_eq!((error.code(), error.at.as_str()), ("missing_member", "/transaction/signatures/0"));
}

#[test]
fn inconsistent_members_are_errors_with_their_place() {
    let row = "/meta/preTokenBalances/0";
    let cases = [
        ("/meta/preBalances", json!([1, 2]), "bad_balances", "/meta/preBalances"),
        (
            "/transaction/message/accountKeys/1",
            json!("0OIl"),
            "bad_key",
            "/transaction/message/accountKeys/1",
        ),
        (
            &format!("{row}/accountIndex"),
            json!(99),
            "bad_token_row",
            &format!("{row}/accountIndex"),
        ),
        (
            &format!("{row}/uiTokenAmount/amount"),
            json!("1.5"),
            "bad_token_row",
            &format!("{row}/uiTokenAmount/amount"),
        ),
        (
            &format!("{row}/uiTokenAmount/amount"),
            json!("+5"),
            "bad_token_row",
            &format!("{row}/uiTokenAmount/amount"),
        ),
        (
            &format!("{row}/uiTokenAmount/amount"),
            json!("18446744073709551616"),
            "bad_token_row",
            &format!("{row}/uiTokenAmount/amount"),
        ),
        (&format!("{row}/owner"), json!("nobody"), "bad_key", &format!("{row}/owner")),
        (&format!("{row}/mint"), json!("nothing"), "bad_key", &format!("{row}/mint")),
        (
            &format!("{row}/programId"),
            json!(key("other")),
            "bad_token_row",
            &format!("{row}/programId"),
        ),
        (
            "/transaction/message/header/numRequiredSignatures",
            json!(77),
            "too_many",
            "/transaction/message/header/numRequiredSignatures",
        ),
    ];
    for (pointer, value, code, at) in cases {
        let error = error(&changed(pointer, Some(value)));
        assert_eq!((error.code(), error.at.as_str()), (code, at), "{error}");
    }
    let mut twice = payment().json();
    let row = twice["meta"]["preTokenBalances"][0].clone();
    twice["meta"]["preTokenBalances"].as_array_mut().unwrap().push(row);
    assert_eq!(error(&twice).at, "/meta/preTokenBalances/1/accountIndex");
}

#[test]
fn no_number_is_read_through_a_float() {
    for value in [json!(5000.5), json!(-1), json!("5000"), json!(1e30)] {
        let error = error(&changed("/meta/fee", Some(value)));
        assert_eq!(error.code(), "wrong_shape");
        assert!(error.at.starts_with("byte "), "{error}");
    }
    // The largest balance there is survives to the last lamport.
    let mut recording = changed("/meta/preBalances/0", Some(json!(u64::MAX)));
    recording["meta"]["postBalances"][0] = json!(u64::MAX - 1);
    let text = serde_json::to_vec(&recording).unwrap();
    let line = solana::parse(&text, &Address::from_chain_data(&key("wallet"))).unwrap();
    assert_eq!(native(&line), -1 + 5_000);
}

#[test]
fn what_is_no_transaction_is_told_apart() {
    let code = |text: &[u8]| Transaction::decode(text).unwrap_err().code();
    assert_eq!(code(b""), "not_json");
    assert_eq!(code(b"{\"slot\": 1"), "not_json");
    assert_eq!(code(b"null"), "null_transaction");
    assert_eq!(code(b"[]"), "wrong_shape");
    assert_eq!(code(b"7"), "wrong_shape");
    assert_eq!(code(b"{}"), "missing_member");
    assert_eq!(code(b"{\"transaction\": [\"AbCd\", \"base64\"]}"), "wrong_shape");
    let nested = [b"{\"a\":".repeat(100_000), b"1".to_vec(), b"}".repeat(100_000)].concat();
    assert_eq!(code(&nested), "missing_member", "unknown members are skipped, however deep");
    let keys: Vec<_> = (0..257).map(|n| key(&format!("k{n}"))).collect();
    let many = changed("/transaction/message/accountKeys", Some(json!(keys)));
    assert_eq!(error(&many).code(), "too_many");
}

#[test]
fn a_wallet_that_is_no_key_is_an_error() {
    let transaction = payment().transaction();
    let error = transaction.view(&Address::from_chain_data("wallet")).unwrap_err();
    assert_eq!(error.code(), "bad_wallet");
    let error = transaction.discover(&Address::from_chain_data("")).unwrap_err();
    assert_eq!(error.code(), "bad_wallet");
}

#[test]
fn an_instruction_that_makes_no_sense_is_a_note() {
    let broken = [
        ("its data ends early", Instruction::new(SYSTEM, &["wallet", "friend"], &[2, 0, 0, 0, 9])),
        ("it names too few accounts", Instruction::new(TOKEN, &["account"], &[9])),
        ("its data ends early", Instruction::new(TOKEN, &["account"], &[255, 1, 200])),
    ];
    for (why, instruction) in broken {
        let line = payment().call(instruction).line("wallet");
        assert_eq!(note_codes(&line), ["instruction_malformed"]);
        assert_eq!(line.notes[0].detail, format!("instruction 1: {why}"));
        assert_eq!(native(&line), -9, "the balances stay true");
    }
    let instruction = "/transaction/message/instructions/0";
    for (pointer, value) in [
        (format!("{instruction}/programIdIndex"), json!(200)),
        (format!("{instruction}/accounts"), json!([0, 200])),
        (format!("{instruction}/accounts"), json!("all")),
        (format!("{instruction}/data"), json!("0OIl")),
        (format!("{instruction}/data"), json!("1".repeat(5_000))),
        (instruction.to_owned(), json!(7)),
        ("/transaction/message/instructions".to_owned(), json!({})),
        ("/meta/innerInstructions".to_owned(), json!([{"index": "first"}])),
    ] {
        let text = serde_json::to_vec(&changed(&pointer, Some(value))).unwrap();
        let line = solana::parse(&text, &Address::from_chain_data(&key("wallet"))).unwrap();
        assert_eq!(note_codes(&line), ["instruction_malformed"], "{pointer}");
        assert_eq!(native(&line), -9, "{pointer}");
    }
}

#[test]
fn many_malformed_instructions_are_counted_not_listed() {
    let mut builder = payment();
    for _ in 0..30 {
        builder = builder.call(Instruction::new(TOKEN, &[], &[9]));
    }
    let line = builder.line("wallet");
    assert_eq!(line.notes.len(), 9);
    assert_eq!(line.notes[8].detail, "22 more of this kind");
}

#[test]
fn lists_that_a_recording_lacks_are_noted() {
    let mut builder = payment();
    builder.no_inner = true;
    assert_eq!(note_codes(&builder.line("wallet")), ["inner_instructions_missing"]);
    let mut builder = payment().call(token_transfer("account", "account", "wallet", 1));
    builder.no_rows = true;
    let line = builder.line("wallet");
    assert_eq!(note_codes(&line), ["token_balances_missing"]);
    assert!(net(&line).len() == 1);
}

#[test]
fn the_place_in_the_block_is_taken_when_the_node_names_it() {
    let mut builder = payment();
    assert_eq!(builder.line("wallet").order.index, None);
    builder.index = Some(17);
    let line = builder.line("wallet");
    assert_eq!((line.order.block, line.order.index), (300_000_000, Some(17)));
    assert_eq!(line.block_time, Some(1_700_000_000));
}

#[test]
fn the_fee_is_null_for_others_and_zero_when_it_was_free() {
    let mut builder = payment().lamports("wallet", SOL, SOL - 9);
    builder.fee = 0;
    let wallet = builder.line("wallet");
    assert_eq!(wallet.fee.as_ref().unwrap().raw.to_string(), "0");
    assert_eq!(builder.line("friend").fee, None);
    let json = serde_json::to_value(&wallet).unwrap();
    assert_eq!(json["fee"], json!({"asset": "native", "raw": "0"}));
    assert_eq!(json["order"], json!([300_000_000, null]));
    assert_eq!(json["complete"], json!({"native": true, "fee": true}));
}
