//! The chain's coin: internal transfers, wrapping, failures.

use alloy_primitives::U256;
use pnl_core::{Chain, TxKind, TxStatus};
use serde_json::{Value, json};

use crate::maker::{FEE, Maker, WETH, account, internal, transfer, wrapping};
use crate::{changes, codes, common, devnet, net, recorded};

#[test]
fn internal_native_transfer_is_the_proceeds_of_a_sale() {
    let hash = "0x396f57534e5deff9b530357bda8dcd31b80892ba7ce3de6f6593b0225bba3d0f";
    let wallet = "0xf92940216a808378bffd05f444b7bf71d5a193cd";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    let usdc = "0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48";
    assert_eq!(net(&line), changes(&[("native", 62_555_211_026_786_486), (usdc, -121_424_518)]));
    assert_eq!((line.kind, line.complete.native), (TxKind::Swap, true));
}

#[test]
fn split_by_internal_transfers_reaches_both_receivers() {
    let hash = "0x51287c898292780f883930eeee37a5e67024b8160568dc0a48bbc04c13075fe9";
    for receiver in
        ["0xbcd4042de499d14e55001ccbb24a551f3b954096", "0x71be63f3384f5fb98995898a86b02fb2426c5788"]
    {
        let Some(line) = devnet(hash, receiver) else { return };
        assert_eq!(net(&line), changes(&[("native", 490_934_684_184_316_675)]));
    }
}

#[test]
fn internal_transfers_that_nobody_recorded_make_the_line_incomplete() {
    let sale = Maker::call("alice", "router").log(transfer("a", "alice", "pool", U256::ONE));
    assert!(sale.view("alice").complete.native);
    let unknown = sale.with("/internal_transfers", Value::Null).view("alice");
    assert!(!unknown.complete.native);
    assert_eq!(codes(&unknown), ["internal_transfers_missing"]);
}

#[test]
fn call_whose_gas_was_paid_back_may_have_sent_coins() {
    // A plain payment runs no code. A little more gas is too little to send coins on, except where
    // clearing storage or a contract pays back up to half of what was used.
    let is_known = |chain: Chain, block: u64, gas: u64| {
        let made = Maker::call("alice", "bob")
            .with("/internal_transfers", Value::Null)
            .with("/transaction/input", json!("0x"))
            .with("/transaction/blockNumber", json!(format!("{block:#x}")))
            .with("/receipt/gasUsed", json!(format!("{gas:#x}")));
        made.view_on(chain, "bob").complete.native
    };
    for (chain, block) in [
        (Chain::Ethereum, 12_964_999),
        (Chain::Ethereum, 12_965_000),
        (Chain::BinanceSmartChain, 31_302_047),
        (Chain::BinanceSmartChain, 31_302_048),
        (Chain::Base, 1),
    ] {
        let is_small = !matches!(block, 12_964_999 | 31_302_047);
        for (gas, expected) in [
            (21_000, true),
            (19_100, false),
            (22_111, is_small),
            (25_999, is_small),
            (26_000, false),
        ] {
            assert_eq!(is_known(chain, block, gas), expected, "{chain} {block}: {gas}");
        }
    }
}

#[test]
fn internal_transfers_that_contradict_the_wrapping_are_incomplete() {
    let hash = "0x3a02a2df62ec9d633e73771b48806c2fc8a47f64bf97058cc561e20c6fe037c4";
    let wallet = "0x2b888954421b424c5d3d9ce9bb67c9bd47537d12";
    let Some(line) = recorded(Chain::Base, hash, wallet) else { return };
    assert!(!line.complete.native);
    assert!(codes(&line).contains(&"internal_transfers_incomplete"));
    let made = Maker::call("alice", "router").log(wrapping("Withdrawal", "router", 5));
    assert!(!made.view("alice").complete.native);
    assert!(made.internal(internal(WETH, "router", 5)).view("alice").complete.native);
    let made = Maker::call("alice", "router").log(wrapping("Deposit", "router", 5));
    assert!(!made.view("alice").complete.native);
    assert!(made.internal(internal("router", WETH, 5)).view("alice").complete.native);
}

#[test]
fn bystander_of_a_settlement_needs_no_internal_transfers() {
    // Somebody else unwraps coins and gets them; the trader gets tokens alone.
    let made = Maker::call("solver", "settlement")
        .log(wrapping("Withdrawal", "settlement", 5))
        .log(transfer("a", "settlement", "trader", U256::ONE));
    for internal in [json!([]), Value::Null] {
        let made = made.clone().with("/internal_transfers", internal);
        let line = made.view("trader");
        assert!(!line.complete.native, "nobody has said that no contract sent the trader coins");
        let apart = made.view_apart("trader");
        assert!(apart.complete.native && apart.notes.is_empty(), "{apart:?}");
        assert_eq!(net(&apart), changes(&[("a", 1)]));
        // Whose own coins were unwrapped has got some, whatever a list says.
        assert!(!made.view_apart("settlement").complete.native);
    }
    let odd = made.with("/internal_transfers", json!(["x"]));
    assert_eq!(codes(&odd.view_apart("trader")), ["internal_malformed"]);
}

#[test]
fn internal_row_of_no_sense_is_told_and_the_others_count() {
    let mut bad = internal("router", "alice", 4);
    bad["from"] = json!(7);
    let made = Maker::call("alice", "router")
        .internal(bad)
        .internal(json!("x"))
        .internal(internal("router", "alice", 5));
    let line = made.view("alice");
    assert_eq!(net(&line), changes(&[("native", 5)]));
    assert!(!line.complete.native);
    assert_eq!(codes(&line), ["internal_malformed"]);
}

#[test]
fn internal_amount_is_read_by_its_text() {
    for (written, expected) in [
        ("20000000000000000000", 20_000_000_000_000_000_000_i128),
        ("18446744073709551615", i128::from(u64::MAX)),
        ("7", 7),
        (r#""0x10""#, 16),
        (r#""20000000000000000000""#, 20_000_000_000_000_000_000),
    ] {
        let made = Maker::call("alice", "router").internal(internal("router", "bob", 123_454_321));
        let text = String::from_utf8(made.bytes()).unwrap();
        let text = text.replace(r#""123454321""#, written);
        let network = tx_parser::evm::Network::of(Chain::Ethereum).unwrap();
        let bob = pnl_core::Address::from_chain_data(&account("bob"));
        let line = tx_parser::evm::parse(text.as_bytes(), &network, &bob).unwrap();
        assert_eq!(net(&line), changes(&[("native", expected)]), "{written}");
        assert!(line.complete.native);
    }
    for odd in ["-1", "1.5", "1e30", "{}"] {
        let made = Maker::call("alice", "router").internal(internal("router", "bob", 123_454_321));
        let text = String::from_utf8(made.bytes()).unwrap().replace(r#""123454321""#, odd);
        let network = tx_parser::evm::Network::of(Chain::Ethereum).unwrap();
        let bob = pnl_core::Address::from_chain_data(&account("bob"));
        let line = tx_parser::evm::parse(text.as_bytes(), &network, &bob).unwrap();
        assert_eq!(codes(&line), ["internal_malformed"], "{odd}");
    }
}

#[test]
fn reverted_inner_call_moves_nothing() {
    let hash = "0x9fdb53f1c7c44e950d15180abfac443319e16ca58d6ed5a879d32ec77955dac6";
    let wallets = [
        "0x1cbd3b2770909d4e10f157cabc84c7264073c9ec",
        "0x71be63f3384f5fb98995898a86b02fb2426c5788",
    ];
    for wallet in wallets {
        let Some(line) = devnet(hash, wallet) else { return };
        assert!(line.net.is_empty(), "{line:?}");
    }
}

#[test]
fn call_below_a_reverted_one_moves_nothing() {
    let frame = |path: &str, failed: bool| {
        let mut row = internal("router", "bob", 1);
        row["trace_id"] = json!(path);
        row["is_error"] = json!(failed);
        row
    };
    let made = Maker::call("alice", "router")
        .internal(frame("0_1", true))
        .internal(frame("0_1_0", false))
        .internal(frame("0_1_0_2", false))
        .internal(frame("0_10", false))
        .internal(frame("0", false));
    assert_eq!(net(&made.view("bob")), changes(&[("native", 2)]));
}

#[test]
fn paths_are_the_same_tree_however_they_are_written() {
    let frame = |path: &Value, failed: bool| {
        let mut row = internal("router", "bob", 1);
        row["trace_id"] = path.clone();
        row["is_error"] = json!(failed);
        row
    };
    let written =
        [json!("0_1_2"), json!("0.1.2"), json!("0-1-2"), json!("0/1/2"), json!([0, 1, 2])];
    for above in [json!("0_1"), json!("0.1"), json!([0, 1]), json!(["0", "1"])] {
        for below in &written {
            let made = Maker::call("alice", "router")
                .internal(frame(&above, true))
                .internal(frame(below, false))
                .internal(frame(&json!("0_2"), false));
            let line = made.view("bob");
            assert_eq!(net(&line), changes(&[("native", 1)]), "{above} {below}");
            assert!(line.complete.native && line.notes.is_empty(), "{line:?}");
        }
    }
    // The same under the names that providers give a path.
    for name in ["traceId", "traceAddress", "trace_address"] {
        let mut below = frame(&Value::Null, false);
        below[name] = json!([0, 1, 2]);
        let made = Maker::call("alice", "router").internal(frame(&json!("0_1"), true));
        assert!(made.internal(below).view("bob").net.is_empty(), "{name}");
    }
}

#[test]
fn transfers_that_may_stand_below_one_that_failed_are_in_doubt() {
    let frame = |path: Value, failed: bool| {
        let mut row = internal("router", "bob", 1);
        row["trace_id"] = path;
        row["is_error"] = json!(failed);
        row
    };
    let odd = [json!(""), json!("call_0"), json!("0__1"), json!("-1"), json!(5), json!({})];
    let pairs = odd.into_iter().chain([json!([0, -1]), json!("0_".repeat(2_000) + "0")]);
    let pairs = pairs.flat_map(|odd| [(odd.clone(), json!("1")), (json!("0"), odd)]);
    for (failed, moved) in pairs.chain([(json!("0"), Value::Null)]) {
        let made = Maker::call("alice", "router").internal(frame(moved.clone(), false));
        let alone = made.clone().view("bob");
        assert!(alone.complete.native && alone.notes.is_empty(), "{moved}");
        let made = made.internal(frame(failed.clone(), true));
        let line = made.view("bob");
        assert_eq!(net(&line), changes(&[("native", 1)]), "{failed} {moved}");
        assert_eq!(codes(&line), ["internal_transfers_doubtful"], "{failed} {moved}");
        assert!(!line.complete.native);
        // Who is known to have no part in it needs not know; not who is named.
        assert!(made.view_apart("carol").complete.native);
        assert!(!made.view_apart("bob").complete.native);
    }
    // Providers mark the call that failed, a recording without paths also what stands below.
    let made = Maker::call("alice", "router").internal(internal("router", "bob", 1));
    assert!(made.clone().internal(frame(Value::Null, true)).view("bob").complete.native);
    for (name, value) in [("isError", json!("1")), ("error", json!("out of gas"))] {
        let mut failed = internal("router", "bob", 1);
        failed[name] = value;
        let line = made.clone().internal(failed).view("bob");
        assert_eq!(codes(&line), ["internal_transfers_doubtful"], "{name}");
    }
    // Nothing took effect, so nothing is in doubt.
    let made = Maker::call("alice", "router").internal(frame(json!(""), true));
    assert!(made.view("alice").complete.native);
}

#[test]
fn failure_and_kind_are_read_under_the_names_that_providers_give_them() {
    let with = |name: &str, value: Value| {
        let mut row = internal("router", "bob", 1);
        row["is_error"] = Value::Null;
        row[name] = value;
        Maker::call("alice", "router").internal(row).view("bob")
    };
    for (name, value) in [
        ("isError", json!("1")),
        ("isError", json!(true)),
        ("error", json!("execution reverted")),
        ("error", json!({"code": 3})),
        ("callType", json!("delegatecall")),
        ("call_type", json!("STATICCALL")),
    ] {
        let line = with(name, value.clone());
        assert!(line.net.is_empty() && line.complete.native, "{name} {value}");
    }
    for (name, value) in [
        ("isError", json!("0")),
        ("error", json!("")),
        ("error", json!(false)),
        ("callType", json!("call")),
        ("callType", json!("")),
    ] {
        assert_eq!(net(&with(name, value.clone())), changes(&[("native", 1)]), "{name} {value}");
    }
    assert_eq!(codes(&with("isError", json!("maybe"))), ["internal_malformed"]);
    let mut created = internal("factory", "unused", 3);
    created["to"] = json!("");
    created["contractAddress"] = json!(account("child"));
    let made = Maker::call("alice", "factory").internal(created);
    assert_eq!(net(&made.view("child")), changes(&[("native", 3)]));
}

#[test]
fn own_call_among_the_internal_transfers_counts_once() {
    let call = Maker::call("alice", "router").value(5).internal(internal("router", "bob", 5));
    let twice = call.internal(internal("alice", "router", 5));
    assert_eq!(net(&twice.view("alice")), changes(&[("native", -5)]));
    assert_eq!(net(&twice.view("bob")), changes(&[("native", 5)]));
    let mut root = internal("alice", "unused", 5);
    root["to"] = Value::Null;
    root["type"] = json!("create");
    root["trace_id"] = json!("0");
    root["contract_address"] = json!(account("contract"));
    let created = Maker::call("alice", "unused")
        .value(5)
        .with("/transaction/to", Value::Null)
        .with("/receipt/contractAddress", json!(account("contract")))
        .internal(root.clone());
    assert_eq!(net(&created.view("alice")), changes(&[("native", -5)]));
    assert_eq!(net(&created.view("contract")), changes(&[("native", 5)]));
    // Another amount is another transfer.
    root["value"] = json!("6");
    assert_eq!(net(&created.internal(root).view("contract")), changes(&[("native", 11)]));
}

#[test]
fn call_below_a_creation_that_failed_moves_nothing() {
    let mut failed = internal("router", "unused", 1_000);
    failed["to"] = Value::Null;
    failed["type"] = json!("create");
    failed["trace_id"] = json!("0");
    failed["is_error"] = json!(true);
    let mut below = internal("child", "bob", 500);
    below["trace_id"] = json!("0_0");
    for value in [json!("1000"), json!(""), Value::Null] {
        failed["value"] = value;
        let made = Maker::call("alice", "router").internal(failed.clone()).internal(below.clone());
        let line = made.view("bob");
        assert!(line.net.is_empty() && line.complete.native && line.notes.is_empty(), "{line:?}");
    }
}

#[test]
fn delegated_calls_carry_nothing() {
    let frame = |kind: &str| {
        let mut row = internal("router", "bob", 1);
        row["type"] = json!(kind);
        row
    };
    let mut made = Maker::call("alice", "router");
    for kind in ["delegatecall", "callcode", "staticcall", "DELEGATECALL", "call", "selfdestruct"] {
        made = made.internal(frame(kind));
    }
    assert_eq!(net(&made.view("bob")), changes(&[("native", 2)]));
}

#[test]
fn refund_of_unused_native_is_netted_first() {
    let hash = "0x265c15c2b77090afb164f4c723b158f10d94853a705eda67410a340fc0113ece";
    let wallet = "0x4bba290826c253bd854121346c370a9886d1bc26";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    let usdt = "0xdac17f958d2ee523a2206206994597c13d831ec7";
    assert_eq!(net(&line), changes(&[("native", -3_918_934_703_639_028), (usdt, 5_000_000)]));
}

#[test]
fn failed_transaction_costs_its_fee_and_moves_nothing() {
    let made = Maker::call("alice", "bob")
        .value(5)
        .log(transfer("a", "alice", "bob", U256::ONE))
        .internal(internal("bob", "alice", 3))
        .with("/receipt/status", json!("0x0"));
    let line = made.view("alice");
    assert_eq!((line.status, line.kind), (TxStatus::Failed, TxKind::FeeOnly));
    assert!(line.net.is_empty() && line.complete.native);
    assert_eq!(common::fee(&line), -FEE);
    assert!(made.view("bob").fee.is_none());
    let wallet = "0x2b888954421b424c5d3d9ce9bb67c9bd47537d12";
    let hash = "0xfbfd35db096d0acb26a988895841d786baafe08f6cf55265338e0b5db58350ee";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    assert!(line.net.is_empty());
    assert_eq!(line.fee.unwrap().raw.to_string(), "-569541142835320");
}

#[test]
fn wrapping_and_unwrapping_is_no_exchange() {
    let hash = "0x1f3aa6f7d33bfaaaf9cdd92b16fecdf911341601c02ad89b4ec0b80c66c28a07";
    let wallet = "0x4b2975aff4def34d3cd4f4759b45faf738d790d3";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    assert!(line.net.is_empty());
    assert_eq!(line.kind, TxKind::Unwrap);
    let hash = "0x16ed934163d7f3610fb6b83c39bd8a1831775661b63e1954ff49a87f35467c7a";
    let line = devnet(hash, "0x71be63f3384f5fb98995898a86b02fb2426c5788").unwrap();
    assert_eq!((line.net.len(), line.kind), (0, TxKind::Wrap));
    // Another contract with the same event is no wrapped coin.
    let mut event = wrapping("Deposit", "alice", 5);
    event["address"] = json!(account("vault"));
    let line = Maker::call("alice", "vault").value(5).log(event).view("alice");
    assert_eq!(net(&line), changes(&[("native", -5)]));
}

#[test]
fn created_contract_receives_the_value() {
    let made = Maker::call("alice", "unused")
        .value(5)
        .with("/transaction/to", Value::Null)
        .with("/receipt/contractAddress", json!(account("contract")));
    assert_eq!(net(&made.view("alice")), changes(&[("native", -5)]));
    assert_eq!(net(&made.view("contract")), changes(&[("native", 5)]));
    // A receipt that does not name it: its address follows from sender and nonce.
    let unnamed = made.with("/receipt/contractAddress", json!(""));
    let line = unnamed.view("alice");
    assert_eq!((codes(&line), line.complete.native), (vec!["created_unknown"], false));
    assert_eq!(net(&line), changes(&[("native", -5)]));
    let sender = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0";
    for (nonce, contract) in [
        ("0x0", "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        ("0x1", "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
    ] {
        let made = unnamed
            .clone()
            .with("/transaction/from", json!(sender))
            .with("/transaction/nonce", json!(nonce));
        let line = made.view(contract);
        assert_eq!(net(&line), changes(&[("native", 5)]), "{nonce}");
        assert!(line.complete.native && line.notes.is_empty());
        let deposit = made.with("/transaction/type", json!("0x7e"));
        assert!(!deposit.view_on(Chain::Base, sender).complete.native, "its nonce is another");
    }
    let mut inner = internal("factory", "unused", 3);
    inner["to"] = Value::Null;
    inner["contract_address"] = json!(account("child"));
    let made = Maker::call("alice", "factory").internal(inner);
    assert_eq!(net(&made.view("child")), changes(&[("native", 3)]));
    let hash = "0x6aed902635e8d6993695b78fc213dc1eabc9623d7cc4febd07d0ae070daa2846";
    let Some(line) = devnet(hash, "0xcd3b766ccdd6ae721141f452c550ca635964ce71") else { return };
    assert_eq!((line.kind, line.net.len()), (TxKind::FeeOnly, 0));
}

#[test]
fn self_transfer_changes_nothing_but_the_fee() {
    let hash = "0x16350991a0ec175d4777b9c688b2f4a54611468ffec7c1069cd7089d6c1c49f5";
    let Some(line) = devnet(hash, "0xdf3e18d64bc6a983f673ab319ccae4f1a57c7097") else { return };
    assert_eq!((line.kind, line.net.len()), (TxKind::OwnTransfer, 0));
    let line = Maker::call("alice", "alice").value(5).view("alice");
    assert_eq!((line.kind, line.net.len()), (TxKind::OwnTransfer, 0));
}

#[test]
fn transfer_between_tracked_wallets_is_one_quantity_seen_twice() {
    let hash = "0xb2a0c75781ca4966374b69f8bde7a98861d4e00116ca0232ec7a258a93557214";
    let Some(from) = devnet(hash, "0xfabb0ac9d68b0b445fb7357272ff202c5651694a") else { return };
    let to = devnet(hash, "0xdf3e18d64bc6a983f673ab319ccae4f1a57c7097").unwrap();
    let usdc = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";
    assert_eq!(net(&from), changes(&[(usdc, -3_743_576_000)]));
    assert_eq!(net(&to), changes(&[(usdc, 3_743_576_000)]));
    assert_eq!((from.kind, to.kind), (TxKind::TransferOut, TxKind::TransferIn));
}
