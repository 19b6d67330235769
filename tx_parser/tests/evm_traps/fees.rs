//! What the sender pays.

use alloy_primitives::U256;
use pnl_core::{Chain, TxKind};
use serde_json::{Value, json};

use crate::maker::{FEE, Maker, internal, transfer};
use crate::{changes, codes, common, net, recorded};

#[test]
fn op_stack_fee_of_the_first_layer_is_part_of_the_fee() {
    let hash = "0x8d54608c2f684d880ad40a16cf9b82525c51520798ae8875d543d3338327ddad";
    let wallet = "0x44f29ebe386c409376c66ad268f9ae595c8c3e76";
    let Some(line) = recorded(Chain::Base, hash, wallet) else { return };
    assert_eq!(line.fee.unwrap().raw.to_string(), "-533995613184");
    assert!(line.complete.fee);
    let made = Maker::call("alice", "bob").with("/transaction/chainId", json!("0x2105"));
    let known = made.clone().with("/receipt/l1Fee", json!("0x64")).view_on(Chain::Base, "alice");
    assert_eq!((common::fee(&known), known.complete.fee), (-FEE - 100, true));
    assert!(codes(&known).is_empty());
}

#[test]
fn op_stack_receipt_without_the_first_layers_fee_is_incomplete() {
    let made = Maker::call("alice", "bob").with("/transaction/chainId", json!("0x2105"));
    let line = made.view_on(Chain::Base, "alice");
    assert_eq!((common::fee(&line), line.complete.fee), (-FEE, false));
    assert_eq!(codes(&line), ["l1_fee_missing"]);
    // It is nothing to whoever does not pay.
    assert!(made.view_on(Chain::Base, "bob").complete.fee);
    // The other chains have none.
    assert!(Maker::call("alice", "bob").view("alice").complete.fee);
    let operator =
        made.with("/receipt/l1Fee", json!("0x0")).with("/receipt/operatorFeeScalar", json!("0x5"));
    let line = operator.view_on(Chain::Base, "alice");
    assert_eq!((line.complete.fee, codes(&line)), (false, vec!["operator_fee"]));
}

#[test]
fn op_stack_deposit_is_free_and_creates_its_mint() {
    let hash = "0xf731b5c5dc53117413b880d0c65501cebe50c78ba3621eca9344747c95b83357";
    let sender = "0x977f82a600a1414e583f7f13623f1ac5d58b1c0b";
    let Some(line) = recorded(Chain::Base, hash, sender) else { return };
    assert_eq!(line.fee.unwrap().raw.to_string(), "0");
    assert!(line.complete.fee && line.net.is_empty());
    let made = Maker::call("alice", "bob")
        .with("/transaction/type", json!("0x7e"))
        .with("/transaction/chainId", Value::Null)
        .with("/transaction/mint", json!("0x9"))
        .value(5);
    let line = made.view_on(Chain::Base, "alice");
    assert_eq!((common::fee(&line), net(&line)), (0, changes(&[("native", 4)])));
    assert_eq!(net(&made.view_on(Chain::Base, "bob")), changes(&[("native", 5)]));
    // The mint stays when the call fails.
    let failed = made.with("/receipt/status", json!("0x0"));
    assert_eq!(net(&failed.view_on(Chain::Base, "alice")), changes(&[("native", 9)]));
    assert!(net(&failed.view_on(Chain::Base, "bob")).is_empty());
}

#[test]
fn effective_gas_price_counts_and_not_the_bid() {
    let made = Maker::call("alice", "bob");
    assert_eq!(common::fee(&made.view("alice")), -FEE);
    let unknown = made.without("/receipt/effectiveGasPrice");
    let line = unknown.view("alice");
    assert_eq!((common::fee(&line), line.complete.fee), (-900_000, false));
    assert_eq!(codes(&line), ["gas_price_missing"]);
    // Before London the bid was the price.
    let line = unknown.with("/transaction/type", json!("0x0")).view("alice");
    assert_eq!((common::fee(&line), line.complete.fee), (-900_000, true));
}

#[test]
fn bid_of_a_transaction_without_a_type_is_the_price_only_where_it_has_no_cap() {
    let made = Maker::call("alice", "bob")
        .without("/receipt/effectiveGasPrice")
        .without("/transaction/type");
    let line = made.view("alice");
    assert_eq!((common::fee(&line), line.complete.fee), (-900_000, true));
    let capped = made.clone().with("/transaction/maxFeePerGas", json!("0x9"));
    let line = capped.view("alice");
    assert_eq!((line.complete.fee, codes(&line)), (false, vec!["gas_price_missing"]));
    assert!(!made.with("/receipt/type", json!("0x2")).view("alice").complete.fee);
}

#[test]
fn type_that_only_the_receipt_names_counts() {
    let blobs = Maker::call("alice", "bob")
        .without("/transaction/type")
        .with("/receipt/type", json!("0x3"))
        .with("/receipt/blobGasUsed", json!("0x20000"))
        .with("/receipt/blobGasPrice", json!("0x3"));
    assert_eq!(common::fee(&blobs.view("alice")), -FEE - 393_216);
    let deposit = Maker::call("alice", "bob")
        .without("/transaction/type")
        .with("/transaction/chainId", Value::Null)
        .with("/receipt/type", json!("0x7e"))
        .with("/transaction/mint", json!("0x9"));
    let line = deposit.view_on(Chain::Base, "alice");
    assert_eq!((common::fee(&line), net(&line)), (0, changes(&[("native", 9)])));
    assert!(line.complete.fee);
}

#[test]
fn blobs_are_paid_where_a_transaction_carries_some() {
    let made = Maker::call("alice", "bob")
        .with("/receipt/blobGasUsed", json!("0x20000"))
        .with("/receipt/blobGasPrice", json!("0x3"));
    // Receipts of other types name them as well.
    assert_eq!(common::fee(&made.view("alice")), -FEE);
    let carrying = made.with("/transaction/type", json!("0x3"));
    assert_eq!(common::fee(&carrying.view("alice")), -FEE - 393_216);
    let line = carrying.without("/receipt/blobGasPrice").view("alice");
    assert_eq!((line.complete.fee, codes(&line)), (false, vec!["blob_fee_missing"]));
}

#[test]
fn bsc_pays_gas_in_bnb_and_knows_eth_as_a_token() {
    let hash = "0xf4da4f7c2da6f02db3de87a2d11b1da3a37a7b92bbfad0f09d9bc9cfd0282793";
    let wallet = "0x5dff28ea9284c853baa4b8316aeaf558e3d12488";
    let Some(line) = recorded(Chain::BinanceSmartChain, hash, wallet) else { return };
    let eth = "0x2170ed0880ac9a755fd29b2688956bd959f933f8";
    let want = [("native", 26_865_421_462_271_303), (eth, -5_230_000_000_000_000)];
    assert_eq!((net(&line), line.kind), (changes(&want), TxKind::Swap));
    assert_eq!(line.fee.unwrap().raw.to_string(), "-16730500334610");
    // Each chain has its own wrapped coin.
    let wbnb = "0xbb4cdb9cbd36b01bd1cbaebf2de08d9173bc095c";
    let made = Maker::call("alice", "bob")
        .with("/transaction/chainId", json!("0x38"))
        .log(transfer(wbnb, "bob", "alice", U256::from(3)));
    let line = made.view_on(Chain::BinanceSmartChain, "alice");
    assert_eq!(net(&line), changes(&[("native", 3)]));
    assert_eq!(net(&made.view("alice")), changes(&[(wbnb, 3)]));
    assert_eq!(codes(&made.view("alice")), ["other_chain"]);
}

#[test]
fn fee_is_no_part_of_the_net() {
    let line =
        Maker::call("alice", "bob").value(5).internal(internal("bob", "alice", 5)).view("alice");
    assert!(line.net.is_empty());
    assert_eq!(common::fee(&line), -FEE);
}
