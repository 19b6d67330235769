//! Tips to block builders and fees to services.

use serde_json::json;

use crate::builder::{Builder, DEPOSIT, Instruction, TOKEN, WSOL, key, of};
use crate::instructions::{
    close, create, initialize_account, sync_native, token_transfer, transfer, transfer_checked,
    transfer_with_fee, unwrap_lamports,
};
use crate::{native, net, rent, tips};

const SOL: u64 = 1_000_000_000;
const FEE: u64 = 5_000;
const TIP: &str = "96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5";
/// Fee account of a trading terminal.
const PHOTON: &str = "AVUCZyuT35YSuj4RH7fwiyPu82Djn2Hfg7y2ND2XcnZH";
/// Tip account of a relay other than Jito.
const NOZOMI: &str = "TEMPaMeCRFAS9EKF53Jd6KpHxgL47uWLcpFArU1Fanq";

const FRIENDS: &str = "friends wrapped";

fn program() -> Instruction {
    Instruction::new("some program", &[], b"do it")
}

#[test]
fn several_wallets_may_tip_one_account() {
    let builder = Builder::signed_by(&["first", "second"])
        .lamports("first", SOL, SOL - FEE - 1_000)
        .lamports("second", SOL, SOL - 300)
        .lamports(TIP, SOL, SOL + 1_300)
        .call(transfer("first", TIP, 1_000))
        .call_with(program(), &[transfer("second", TIP, 300)]);
    let (first, second) = (builder.line("first"), builder.line("second"));
    assert_eq!((tips(&first), native(&first)), (-1_000, 0));
    assert_eq!((tips(&second), native(&second)), (-300, 0));
}

#[test]
fn a_tip_by_closing_an_account_is_whole_and_its_deposit_no_second_cost() {
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("account", DEPOSIT + 400, 0)
        .lamports(TIP, SOL, SOL + DEPOSIT + 400)
        .held_before("account", &of(WSOL, "wallet"), 400)
        .call(close(TOKEN, "account", TIP, "wallet"))
        .line("wallet");
    assert_eq!(tips(&line), -i128::from(DEPOSIT) - 400);
    assert_eq!((native(&line), rent(&line)), (0, 0));
}

#[test]
fn what_leaves_a_tip_account_is_no_tip() {
    let builder = Builder::signed_by(&["collector"])
        .lamports("collector", SOL, SOL - FEE + 900)
        .lamports(TIP, SOL, SOL - 900)
        .call_with(program(), &[transfer(TIP, "collector", 900)]);
    assert_eq!((tips(&builder.line("collector")), native(&builder.line("collector"))), (0, 900));
    assert_eq!(tips(&builder.line(TIP)), 0);
}

#[test]
fn payments_to_services_stay_in_net_and_are_named() {
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - 50_000 - 700)
        .lamports(PHOTON, SOL, SOL + 50_000)
        .lamports(NOZOMI, SOL, SOL + 700)
        .call(transfer("wallet", PHOTON, 50_000))
        .call(transfer("wallet", NOZOMI, 700))
        .line("wallet");
    assert_eq!((native(&line), tips(&line)), (-50_700, 0));
    let named: Vec<_> =
        line.service_fees.iter().map(|fee| (fee.raw.to_string(), fee.to.as_str())).collect();
    assert_eq!(named, [("-700".to_owned(), "nozomi"), ("-50000".to_owned(), "photon")]);
}

#[test]
fn fees_in_tokens_and_in_wrapped_coins_are_named_by_their_asset() {
    let builder = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("wrapped", DEPOSIT + 90, DEPOSIT + 60)
        .lamports("fees wrapped", DEPOSIT, DEPOSIT + 30)
        .lamports("tokens", DEPOSIT, DEPOSIT)
        .lamports("fees tokens", DEPOSIT, DEPOSIT)
        .held("wrapped", &of(WSOL, "wallet"), 90, 60)
        .held("fees wrapped", &of(WSOL, PHOTON), 0, 30)
        .held("tokens", &of("mint", "wallet"), 10, 4)
        .held("fees tokens", &of("mint", PHOTON), 0, 6)
        .call(token_transfer("wrapped", "fees wrapped", "wallet", 30))
        .call(token_transfer("tokens", "fees tokens", "wallet", 6));
    let line = builder.line("wallet");
    assert_eq!(net(&line), [("native".to_owned(), -30), (key("mint"), -6)].into());
    let named: Vec<_> = line
        .service_fees
        .iter()
        .map(|f| (f.asset.as_str().to_owned(), f.raw.to_string()))
        .collect();
    assert_eq!(named, [("native".to_owned(), "-30".to_owned()), (key("mint"), "-6".to_owned())]);
    // The service itself pays nobody.
    assert!(builder.line(PHOTON).service_fees.is_empty());
}

#[test]
fn the_fee_that_a_mint_withholds_did_not_arrive() {
    let holding = |owner| crate::builder::of_2022("mint", owner);
    let builder = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("from", DEPOSIT, DEPOSIT)
        .lamports("to", DEPOSIT, DEPOSIT)
        .held("from", &holding("wallet"), 1_000, 0)
        .held("to", &holding("friend"), 0, 985)
        .call(transfer_with_fee("from", "mint", "to", 1_000, 15));
    assert_eq!(net(&builder.line("wallet")), [(key("mint"), -1_000)].into());
    assert_eq!(net(&builder.line("friend")), [(key("mint"), 985)].into());
}

#[test]
fn lamports_taken_out_of_a_wrapped_account_without_closing_it() {
    let unwrapped = |amount: Option<u64>, left: u64| {
        Builder::signed_by(&["wallet"])
            .lamports("wallet", SOL, SOL - FEE)
            .lamports("friend", SOL, SOL + 1_000 - left)
            .lamports("account", DEPOSIT + 1_000, DEPOSIT + left)
            .held("account", &of(WSOL, "wallet"), 1_000, left)
            .call(unwrap_lamports("account", "friend", amount))
    };
    for builder in [unwrapped(None, 0), unwrapped(Some(600), 400)] {
        let (wallet, friend) = (builder.line("wallet"), builder.line("friend"));
        assert_eq!(native(&wallet), -native(&friend));
        assert_eq!((rent(&wallet), rent(&friend)), (0, 0));
    }
    assert_eq!(native(&unwrapped(Some(600), 400).line("friend")), 600);
}

/// In bytes a batch is a list of: count of accounts, count of bytes, bytes. Nodes that do not know it
/// leave it undecoded.
#[test]
fn the_instructions_of_a_batch_count_one_by_one() {
    let mut data = vec![255];
    let mut add = |accounts: u8, instruction: &[u8]| {
        data.extend([accounts, u8::try_from(instruction.len()).unwrap()]);
        data.extend(instruction);
    };
    let mut transfer = vec![3];
    transfer.extend(250u64.to_le_bytes());
    add(3, &transfer);
    add(3, &[9]);
    let undecoded = Instruction::new(
        TOKEN,
        &["account", FRIENDS, "wallet", "account", "wallet", "wallet"],
        &data,
    );
    let decoded = undecoded.clone().parsed(
        "batch",
        json!({"instructions": [
            {"type": "transfer", "info": {"source": key("account"), "destination": key(FRIENDS),
                "authority": key("wallet"), "amount": "250"}},
            {"type": "closeAccount", "info": {"account": key("account"),
                "destination": key("wallet"), "owner": key("wallet")}}]}),
    );
    for batch in [undecoded, decoded] {
        // 250 wrapped lamports go on, the rest and the deposit come back.
        let line = Builder::signed_by(&["wallet"])
            .lamports("wallet", SOL, SOL - FEE + DEPOSIT + 750)
            .lamports("account", DEPOSIT + 1_000, 0)
            .lamports(FRIENDS, DEPOSIT, DEPOSIT + 250)
            .held_before("account", &of(WSOL, "wallet"), 1_000)
            .held(FRIENDS, &of(WSOL, "friend"), 0, 250)
            .call(batch)
            .line("wallet");
        assert_eq!((native(&line), rent(&line)), (-250, 0));
        assert!(line.notes.is_empty(), "{:?}", line.notes);
    }
}

#[test]
fn a_wrapped_account_that_lives_inside_is_neutral() {
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - 800)
        .lamports("temporary", 0, 0)
        .lamports("pool", SOL, SOL + 800)
        .held("pool", &of(WSOL, "maker"), 1, 801)
        .call(create("wallet", "temporary", DEPOSIT + 800, 165, TOKEN))
        .call(initialize_account(TOKEN, "temporary", WSOL, "wallet"))
        .call(sync_native("temporary"))
        .call(transfer_checked(TOKEN, "temporary", WSOL, "pool", "wallet", 800))
        .call(close(TOKEN, "temporary", "wallet", "wallet"))
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (-800, 0));
}
