//! Order, members that are missing, logs that make no sense.

use alloy_primitives::U256;
use pnl_core::movement::Order;
use pnl_core::{Address, Chain, TxKind};
use serde_json::{Value, json};
use tx_parser::evm::{Network, Transaction};

use crate::maker::{FEE, Maker, account, log, padded, topic, transfer, word};
use crate::{changes, codes, common, net, recorded};

fn error(made: &Maker) -> (String, String) {
    let network = Network::of(Chain::Ethereum).unwrap();
    let error = Transaction::decode(&made.bytes(), &network).unwrap_err();
    (error.code().to_owned(), error.at)
}

#[test]
fn order_is_the_index_in_the_block_where_the_node_names_it() {
    let made = Maker::call("alice", "bob");
    assert_eq!(made.view("alice").order, Order { block: 100, index: Some(7) });
    let made = made.with("/transaction/transactionIndex", Value::Null);
    assert_eq!(made.view("alice").order, Order { block: 100, index: None });
    assert_eq!(made.view("alice").block_time, Some(1_700_000_000));
    let made = made.with("/block_timestamp", Value::Null);
    assert_eq!(made.view("alice").block_time, None);
}

#[test]
fn log_that_a_reorg_removed_does_not_count() {
    let mut removed = transfer("a", "bob", "alice", U256::ONE);
    removed["removed"] = json!(true);
    let line = Maker::call("bob", "a").log(removed).view("alice");
    assert_eq!((line.net.len(), codes(&line)), (0, vec!["log_malformed"]));
}

#[test]
fn one_malformed_log_costs_a_note_and_nothing_else() {
    let good = transfer("a", "bob", "alice", U256::from(5));
    let signature = topic("Transfer(address,address,uint256)");
    let with = |member: &str, value: Value| {
        let mut bad = good.clone();
        bad[member] = value;
        bad
    };
    let dirty = format!("0x01{}", &padded("bob")[4..]);
    let bad_logs = [
        json!(null),
        json!(17),
        json!("log"),
        json!(["log"]),
        json!(true),
        json!(-1.5),
        json!({}),
        with("address", json!("0x12")),
        with("address", json!({"a": 1})),
        with("address", json!(format!("0x{}", account("a")))),
        with("topics", json!(null)),
        with("topics", json!("0x")),
        with("topics", json!([signature, "0xzz", padded("alice")])),
        with("topics", json!([signature, 5, padded("alice")])),
        with("topics", json!([signature, dirty, padded("alice")])),
        with("topics", json!([signature, signature, signature, signature, signature])),
        with("data", json!("0x1234")),
        with("data", json!("1234")),
        with("data", json!(format!("0x{}", word(U256::ONE)))),
        with("data", json!("0xzz")),
        with("data", json!(null)),
        with("data", json!([1, [2, {"a": 3}]])),
    ];
    for bad in bad_logs {
        let made = Maker::call("bob", "a").log(bad.clone()).log(good.clone());
        let line = made.view("alice");
        assert_eq!(net(&line), changes(&[("a", 5)]), "{bad}");
        assert_eq!(codes(&line), ["log_malformed"], "{bad}");
        assert_eq!(common::fee(&made.view("bob")), -FEE);
    }
    // A member written twice, as no library does, counts as it comes last.
    let text = String::from_utf8(Maker::call("bob", "a").log(good.clone()).bytes()).unwrap();
    let twice = text.replace("\"data\":", "\"data\":\"0x\",\"data\":");
    assert_ne!(text, twice);
    let network = Network::of(Chain::Ethereum).unwrap();
    let transaction = Transaction::decode(twice.as_bytes(), &network).unwrap();
    let line = transaction.view(&Address::from_chain_data(&account("alice"))).unwrap();
    assert_eq!(net(&line), changes(&[("a", 5)]));
    // A long list of them is cut.
    let mut made = Maker::call("bob", "a");
    for _ in 0..50 {
        made = made.log(json!(null));
    }
    assert_eq!(made.view("bob").notes.len(), 9);
}

#[test]
fn event_of_nobody_is_passed_over() {
    let made = Maker::call("bob", "a")
        .log(log("a", &[], "0x"))
        .log(log("a", &[topic("Anything(bytes)")], "0x12"))
        .log(log("a", &[topic("Deposit(address,uint256)"), padded("alice")], &word(U256::ONE)));
    assert!(made.view("bob").notes.is_empty());
    assert_eq!(made.view("alice").kind, TxKind::None);
}

#[test]
fn member_without_which_no_amount_is_known_is_an_error_with_its_place() {
    let made = Maker::call("alice", "bob");
    for pointer in [
        "/transaction/hash",
        "/transaction/from",
        "/transaction/value",
        "/transaction/input",
        "/receipt",
        "/receipt/gasUsed",
        "/receipt/logs",
    ] {
        let missing = made.clone().without(pointer);
        assert_eq!(error(&missing), ("missing_member".to_owned(), pointer.to_owned()));
    }
    for (pointer, value) in [
        ("/transaction/hash", json!("0x12")),
        ("/transaction/from", json!("alice")),
        ("/transaction/to", json!(5)),
        ("/transaction/value", json!(1.5)),
        ("/transaction/value", json!(format!("0x1{}", "0".repeat(64)))),
        ("/transaction/input", json!("zz")),
        ("/transaction/input", json!("0x0x12345678")),
        ("/transaction/mint", json!("many")),
        ("/receipt/status", json!("0x2")),
        ("/receipt/gasUsed", json!("lots")),
        ("/receipt/effectiveGasPrice", json!([])),
        ("/receipt/contractAddress", json!("0x")),
        ("/block_timestamp", json!("soon")),
    ] {
        let wrong = made.clone().with(pointer, value);
        assert_eq!(error(&wrong), ("wrong_shape".to_owned(), pointer.to_owned()));
    }
    let other =
        made.clone().with("/receipt/transactionHash", json!(format!("0x{}", "cd".repeat(32))));
    assert_eq!(error(&other).0, "receipt_mismatch");
    let huge = made.clone().with("/receipt/effectiveGasPrice", json!(word(U256::MAX)));
    assert_eq!(error(&huge), ("too_large".to_owned(), "/receipt/effectiveGasPrice".to_owned()));
    assert_eq!(error(&made.clone().with("/transaction", Value::Null)).0, "null_transaction");
    assert_eq!(error(&made.with("/receipt/logs", json!("none"))).0, "wrong_shape");
    let network = Network::of(Chain::Ethereum).unwrap();
    for (text, code) in
        [("null", "null_transaction"), ("{\"transaction\": ", "not_json"), ("[]", "wrong_shape")]
    {
        assert_eq!(Transaction::decode(text.as_bytes(), &network).unwrap_err().code(), code);
    }
    let wallet = Address::from_chain_data("alice");
    let transaction = Maker::call("alice", "bob").decode_on(Chain::Ethereum);
    assert_eq!(transaction.view(&wallet).unwrap_err().code(), "bad_wallet");
}

#[test]
fn receipt_without_status_is_from_before_there_was_one() {
    let hash = "0x2964f3a91408337b05aeb8f8f670f4107999be05376e630742404664c96a5c31";
    let root = common::recorded_of("evm");
    let Some(path) = root.map(|root| root.join(format!("ethereum/transactions/{hash}.json")))
    else {
        return;
    };
    let raw: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let sender = raw["transaction"]["from"].as_str().unwrap();
    let line = recorded(Chain::Ethereum, hash, sender).unwrap();
    assert_eq!(net(&line), changes(&[("native", -100_000_000_000_000_000)]));
    assert!(line.notes.is_empty());
    // All gas used and no log: that is also how a failure looked.
    let made = Maker::call("alice", "bob").value(5).with("/receipt/status", Value::Null);
    assert!(made.view("alice").notes.is_empty());
    let doubtful = made.with("/transaction/gas", json!("0x186a0"));
    let line = doubtful.view("alice");
    assert_eq!((codes(&line), line.complete.native), (vec!["status_unknown"], false));
    assert!(line.complete.fee, "it is paid either way");
    // A payment uses all of its gas.
    let payment = doubtful
        .with("/transaction/gas", json!("0x5208"))
        .with("/receipt/gasUsed", json!("0x5208"))
        .with("/transaction/input", json!("0x"));
    assert!(payment.view("alice").complete.native);
}

#[test]
fn receipt_that_should_have_a_status_and_has_none_is_incomplete() {
    for (chain, block, is_known) in [
        (Chain::Ethereum, 4_369_999, true),
        (Chain::Ethereum, 4_370_000, false),
        (Chain::Base, 1, false),
        (Chain::BinanceSmartChain, 1, false),
    ] {
        let made = Maker::call("alice", "bob")
            .value(5)
            .log(transfer("a", "bob", "alice", U256::ONE))
            .with("/transaction/chainId", Value::Null)
            .with("/receipt/l1Fee", json!("0x0"))
            .with("/transaction/blockNumber", json!(block))
            .with("/receipt/status", Value::Null);
        for unknown in [made.clone(), made.with("/internal_transfers", Value::Null)] {
            let line = unknown.view_on(chain, "bob");
            let is_told = line.notes.iter().any(|note| note.code == "status_unknown");
            assert_eq!(is_told, !is_known, "{chain} {block}");
            assert!(is_known || !line.complete.native);
            assert_eq!(
                unknown.view_apart("bob").complete.native,
                is_known || chain != Chain::Ethereum
            );
            assert!(unknown.view_on(chain, "alice").complete.fee);
        }
    }
}

#[test]
fn log_that_is_there_again_counts_once() {
    let at = |index: u64| {
        let mut log = transfer("a", "bob", "alice", U256::from(5));
        log["logIndex"] = json!(format!("{index:#x}"));
        log
    };
    let made = Maker::call("bob", "a").log(at(9)).log(at(9)).log(at(9));
    let line = made.view("alice");
    assert_eq!((net(&line), codes(&line)), (changes(&[("a", 5)]), vec!["log_repeated"]));
    assert!(line.notes[0].detail.starts_with("2 logs"));
    let other = made.log(at(10)).view("alice");
    assert_eq!(net(&other), changes(&[("a", 10)]), "another event of the same content");
    // Another content under the same index, or none at all, is another log.
    let mut odd = at(9);
    odd["data"] = json!(word(U256::ONE));
    let mut removed = at(9);
    removed["removed"] = json!(true);
    let line = Maker::call("bob", "a").log(removed).log(odd).log(at(9)).view("alice");
    assert_eq!((net(&line), codes(&line)), (changes(&[("a", 6)]), vec!["log_malformed"]));
    let mut unnamed = at(9);
    unnamed["logIndex"] = Value::Null;
    let line = Maker::call("bob", "a").log(unnamed.clone()).log(unnamed).view("alice");
    assert_eq!((net(&line), line.notes.len()), (changes(&[("a", 10)]), 0));
}

#[test]
fn members_are_read_as_nodes_mean_them() {
    let made = Maker::call("alice", "bob").value(5);
    let expected = made.view("alice");
    let upper = |text: &str| json!(text.replacen("0x", "0X", 1));
    let mut written = made.clone();
    for pointer in [
        "/transaction/hash",
        "/transaction/from",
        "/transaction/to",
        "/transaction/value",
        "/transaction/input",
        "/receipt/gasUsed",
    ] {
        let value = upper(made.0.pointer(pointer).unwrap().as_str().unwrap());
        written = written.with(pointer, value);
    }
    assert_eq!(written.view("alice"), expected);
    let data =
        made.clone().without("/transaction/input").with("/transaction/data", json!("0x12345678"));
    assert_eq!(data.view("alice"), expected);
    assert_eq!(made.clone().with("/receipt/contractAddress", json!("")).view("alice"), expected);
    let created = made
        .with("/transaction/to", json!(""))
        .with("/receipt/contractAddress", json!(account("contract")));
    assert_eq!(net(&created.view("contract")), changes(&[("native", 5)]));
}
