//! Which lamports are a rent deposit, and whose.

use crate::builder::{
    Builder, DEPOSIT, Instruction, STAKE, SYSTEM, TOKEN, TOKEN_2022, WSOL_2022, of, of_2022,
};
use crate::instructions::{
    allocate, assign, close, close_lookup_table, create, create_associated, create_with_seed,
    initialize_account, set_owner, stake_split, stake_withdraw, transfer, withdraw_nonce,
};
use crate::{native, net, note_codes, rent};

const SOL: u64 = 1_000_000_000;
const FEE: u64 = 5_000;

/// Deposit of an account with so many bytes.
const fn minimum(space: u64) -> u64 {
    (128 + space) * 6_960
}

/// A call of a program that is not in any table.
fn program() -> Instruction {
    Instruction::new("some program", &[], b"do it")
}

#[test]
fn the_own_account_paid_by_the_owner_is_neutral_and_paid_by_another_is_rent() {
    let open = |payer: &str| {
        [
            create(payer, "account", DEPOSIT, 165, TOKEN),
            initialize_account(TOKEN, "account", "mint", "wallet"),
        ]
    };
    let own = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - DEPOSIT)
        .lamports("account", 0, DEPOSIT)
        .held_after("account", &of("mint", "wallet"), 0)
        .call_with(create_associated("wallet", "account", "wallet", "mint"), &open("wallet"))
        .line("wallet");
    assert_eq!((native(&own), rent(&own)), (0, 0));

    let builder = Builder::signed_by(&["relayer", "wallet"])
        .lamports("relayer", SOL, SOL - FEE - DEPOSIT)
        .lamports("account", 0, DEPOSIT)
        .held_after("account", &of("mint", "wallet"), 0)
        .call_with(create_associated("relayer", "account", "wallet", "mint"), &open("relayer"));
    let wallet = builder.line("wallet");
    assert_eq!((native(&wallet), rent(&wallet)), (0, i128::from(DEPOSIT)));
    let relayer = builder.line("relayer");
    assert_eq!((native(&relayer), rent(&relayer)), (0, -i128::from(DEPOSIT)));
}

#[test]
fn an_account_given_away_takes_its_deposit_along() {
    let builder = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("account", DEPOSIT, DEPOSIT)
        .held_before("account", &of("mint", "wallet"), 70)
        .held_after("account", &of("mint", "friend"), 70)
        .call(set_owner("account", "wallet", "friend"));
    let wallet = builder.line("wallet");
    assert_eq!(net(&wallet)[&crate::builder::key("mint")], -70);
    assert_eq!(rent(&wallet), -i128::from(DEPOSIT));
    let friend = builder.line("friend");
    assert_eq!(net(&friend)[&crate::builder::key("mint")], 70);
    assert_eq!((native(&friend), rent(&friend)), (0, i128::from(DEPOSIT)));
}

#[test]
fn only_the_minimum_of_a_new_program_account_is_a_deposit() {
    let lamports = minimum(100) + 50_000;
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - lamports)
        .lamports("order", 0, lamports)
        .call_with(program(), &[create("wallet", "order", lamports, 100, "some program")])
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (-50_000, -i128::from(minimum(100))));
}

#[test]
fn an_account_may_be_paid_first_and_allocated_later() {
    let deposit = minimum(40);
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - deposit)
        .lamports("position", 0, deposit)
        .call_with(
            program(),
            &[
                transfer("wallet", "position", deposit),
                allocate("position", 40),
                assign("position", "some program"),
            ],
        )
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (0, -i128::from(deposit)));
}

#[test]
fn a_payment_to_a_fresh_wallet_is_no_deposit() {
    // The very amount of a deposit, but nothing gives the receiver data.
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - DEPOSIT)
        .lamports("fresh", 0, DEPOSIT)
        .call(transfer("wallet", "fresh", DEPOSIT))
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (-i128::from(DEPOSIT), 0));
}

#[test]
fn a_system_account_without_data_has_no_deposit_but_a_nonce_account_has() {
    let made = |space: u64| {
        Builder::signed_by(&["wallet", "new"])
            .lamports("wallet", 10 * SOL, 8 * SOL - FEE)
            .lamports("new", 0, 2 * SOL)
            .call(create("wallet", "new", 2 * SOL, space, SYSTEM))
            .line("wallet")
    };
    assert_eq!((native(&made(0)), rent(&made(0))), (-i128::from(2 * SOL), 0));
    let nonce = made(80);
    assert_eq!(rent(&nonce), -1_447_680);
    assert_eq!(native(&nonce), 1_447_680 - i128::from(2 * SOL));
}

#[test]
fn a_nonce_account_gives_its_deposit_back_only_when_it_is_emptied() {
    let whole = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + 1_500_000)
        .lamports("nonce", 1_500_000, 0)
        .call(withdraw_nonce("nonce", "wallet", 1_500_000))
        .line("wallet");
    assert_eq!((native(&whole), rent(&whole)), (1_500_000 - 1_447_680, 1_447_680));
    let part = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + 52_320)
        .lamports("nonce", 1_500_000, 1_447_680)
        .call(withdraw_nonce("nonce", "wallet", 52_320))
        .line("wallet");
    assert_eq!((native(&part), rent(&part)), (52_320, 0));
}

#[test]
fn of_a_stake_account_the_minimum_is_rent_and_the_stake_is_net() {
    let lamports = 2_282_880 + 3 * SOL;
    let created = Builder::signed_by(&["wallet"])
        .lamports("wallet", 9 * SOL, 9 * SOL - FEE - lamports)
        .lamports("stake", 0, lamports)
        .call(create_with_seed("wallet", "stake", lamports, 200, STAKE))
        .line("wallet");
    assert_eq!((native(&created), rent(&created)), (-i128::from(3 * SOL), -2_282_880));
    let part = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + 500)
        .lamports("stake", lamports, lamports - 500)
        .call(stake_withdraw("stake", "wallet", 500))
        .line("wallet");
    assert_eq!((native(&part), rent(&part)), (500, 0));
}

#[test]
fn a_split_stake_needs_a_deposit_from_the_wallet() {
    let line = Builder::signed_by(&["wallet", "new"])
        .lamports("wallet", SOL, SOL - FEE - 2_282_880)
        .lamports("stake", 9 * SOL, 7 * SOL)
        .lamports("new", 0, 2 * SOL + 2_282_880)
        .call(create("wallet", "new", 2_282_880, 200, STAKE))
        .call(stake_split("stake", "new", 2 * SOL))
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (0, -2_282_880));
}

#[test]
fn an_account_emptied_by_its_program_gives_back_an_exact_deposit() {
    let deposit = minimum(256);
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + deposit)
        .lamports("position", deposit, 0)
        .call(program())
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (0, i128::from(deposit)));
    assert!(line.notes.is_empty(), "{:?}", line.notes);
}

#[test]
fn an_emptied_account_of_unknown_size_gives_back_the_least_deposit_with_a_note() {
    // No size has this minimum: 5,000,000 is no multiple of 6,960.
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + 5_000_000)
        .lamports("position", 5_000_000, 0)
        .call(program())
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (5_000_000 - 890_880, 890_880));
    assert_eq!(note_codes(&line), ["deposit_unsized"]);
}

#[test]
fn a_deposit_that_may_have_gone_to_one_of_several_goes_to_the_signer() {
    let deposit = minimum(256);
    let builder = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + deposit - 1_000)
        .lamports("keeper", SOL, SOL + 1_000)
        .lamports("position", deposit, 0)
        .call(program());
    let line = builder.line("wallet");
    assert_eq!((native(&line), rent(&line)), (-1_000, i128::from(deposit)));
    assert_eq!(note_codes(&line), ["deposit_ambiguous"]);
    // The exact amount settles it.
    let exact = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + 700)
        .lamports("vault", SOL, SOL - 700)
        .lamports("owner", SOL, SOL + deposit)
        .lamports("position", deposit, 0)
        .call(program());
    assert_eq!(rent(&exact.line("owner")), i128::from(deposit));
    assert_eq!((native(&exact.line("wallet")), rent(&exact.line("wallet"))), (700, 0));
    assert!(exact.line("wallet").notes.is_empty());
}

#[test]
fn an_account_that_grows_takes_a_larger_deposit() {
    let grown = |wrap: bool| {
        let (before, after) = (minimum(100), minimum(300));
        let pay = transfer("wallet", "position", after - before);
        let builder = Builder::signed_by(&["wallet"])
            .lamports("wallet", SOL, SOL - FEE - (after - before))
            .lamports("position", before, after);
        if wrap { builder.call_with(program(), &[pay]) } else { builder.call(pay) }
    };
    let called = grown(true).line("wallet");
    assert_eq!((native(&called), rent(&called)), (0, -200 * 6_960));
    // The same lamports as a plain payment of the user are no deposit.
    let plain = grown(false).line("wallet");
    assert_eq!((native(&plain), rent(&plain)), (-200 * 6_960, 0));
}

#[test]
fn a_closed_lookup_table_gives_its_deposit_to_the_recipient() {
    let deposit = minimum(56 + 32 * 20);
    let builder = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("friend", SOL, SOL + deposit)
        .lamports("table", deposit, 0)
        .call(close_lookup_table("table", "wallet", "friend"));
    let friend = builder.line("friend");
    assert_eq!((native(&friend), rent(&friend)), (0, i128::from(deposit)));
    assert_eq!(rent(&builder.line("wallet")), 0);
}

#[test]
fn lamports_that_waited_at_the_address_are_not_paid_by_the_wallet() {
    // 1,000,000 were there already; the wallet adds the rest of the deposit.
    let rest = DEPOSIT - 1_000_000;
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - rest)
        .lamports("account", 1_000_000, DEPOSIT)
        .held_after("account", &of("mint", "wallet"), 0)
        .call_with(
            create_associated("wallet", "account", "wallet", "mint"),
            &[
                transfer("wallet", "account", rest),
                allocate("account", 165),
                assign("account", TOKEN),
                initialize_account(TOKEN, "account", "mint", "wallet"),
            ],
        )
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (0, 1_000_000));
}

#[test]
fn two_payers_share_the_deposit_in_the_order_they_pay() {
    let builder = Builder::signed_by(&["first", "second"])
        .lamports("first", SOL, SOL - FEE - 1_500_000)
        .lamports("second", SOL, SOL - 1_000_000)
        .lamports("account", 0, 2_500_000)
        .held_after("account", &of("mint", "owner"), 0)
        .call_with(
            program(),
            &[
                transfer("first", "account", 1_500_000),
                transfer("second", "account", 1_000_000),
                allocate("account", 165),
                assign("account", TOKEN),
                initialize_account(TOKEN, "account", "mint", "owner"),
            ],
        );
    let (first, second) = (builder.line("first"), builder.line("second"));
    assert_eq!((native(&first), rent(&first)), (0, -1_500_000));
    let share = i128::from(DEPOSIT) - 1_500_000;
    assert_eq!((native(&second), rent(&second)), (share - 1_000_000, -share));
}

#[test]
fn a_token_2022_account_is_as_large_as_its_extensions() {
    let deposit = minimum(182);
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("friend", SOL, SOL + deposit)
        .lamports("account", deposit, 0)
        .held_before("account", &of_2022("mint", "wallet"), 0)
        .call(close(TOKEN_2022, "account", "friend", "wallet"))
        .line("wallet");
    assert_eq!((native(&line), rent(&line)), (0, -i128::from(deposit)));
}

#[test]
fn the_wrapped_coin_of_token_2022_is_native_too() {
    let deposit = minimum(170);
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("account", deposit + 500, deposit)
        .lamports("pool", SOL, SOL + 500)
        .held("account", &of_2022(WSOL_2022, "wallet"), 500, 0)
        .held("pool", &of_2022(WSOL_2022, "maker"), 10, 510)
        .call(crate::instructions::transfer_checked(
            TOKEN_2022, "account", WSOL_2022, "pool", "wallet", 500,
        ))
        .line("wallet");
    assert_eq!(net(&line), [("native".to_owned(), -500)].into());
    assert_eq!(rent(&line), 0);
}

#[test]
fn an_account_with_a_deposit_of_its_own_has_no_income_from_it() {
    // The key of the new mint signs, so it is one of the default wallets.
    let line = Builder::signed_by(&["wallet", "mint"])
        .lamports("wallet", SOL, SOL - FEE - 1_461_600)
        .lamports("mint", 0, 1_461_600)
        .call(create("wallet", "mint", 1_461_600, 82, TOKEN))
        .line("mint");
    assert_eq!((native(&line), rent(&line)), (0, 1_461_600));
}
