//! Whose account it is: rows without owners, accounts without rows, discovery.

use pnl_core::Address;
use tx_parser::solana::{TokenProgram, associated_token_account};

use crate::builder::{Builder, DEPOSIT, TOKEN, WSOL, key, of, of_nobody};
use crate::instructions::{
    approve, close, create, create_associated, initialize_account, initialize_account_1, mint_to,
    revoke, set_owner, token_transfer, transfer,
};
use crate::{native, net, note_codes, rent};

const SOL: u64 = 1_000_000_000;
const FEE: u64 = 5_000;

fn address(name: &str) -> Address {
    Address::from_chain_data(&key(name))
}

/// A payment of 5 tokens out of `account`, whose row has no owner.
fn payment() -> Builder {
    Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("account", DEPOSIT, DEPOSIT)
        .lamports("pool", DEPOSIT, DEPOSIT)
        .held("account", &of_nobody("mint"), 9, 4)
        .held("pool", &of_nobody("mint"), 0, 5)
}

#[test]
fn the_authority_of_a_transfer_is_no_proof_of_ownership() {
    let line = payment().call(token_transfer("account", "pool", "wallet", 5)).line("wallet");
    assert!(line.net.is_empty(), "a delegate may transfer, too");
    assert_eq!(note_codes(&line), ["owner_unknown"]);
    assert!(line.notes[0].detail.contains(&key("account")));
}

#[test]
fn who_names_a_delegate_is_the_owner() {
    let line = payment()
        .call(approve("account", "ephemeral", "wallet"))
        .call(token_transfer("account", "pool", "ephemeral", 5))
        .line("wallet");
    assert_eq!(net(&line), [(key("mint"), -5)].into());
    assert_eq!(note_codes(&line), ["owner_unknown"], "the pool's owner is still unknown");
    // Removing a delegate is none: newer programs let the delegate do it.
    let revoked = payment().call(revoke("account", "wallet")).line("wallet");
    assert!(revoked.net.is_empty());
}

#[test]
fn who_hands_an_account_over_owned_it() {
    let builder = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("account", DEPOSIT, DEPOSIT)
        .held("account", &of_nobody("mint"), 7, 7)
        .call(set_owner("account", "wallet", "friend"));
    assert_eq!(net(&builder.line("wallet")), [(key("mint"), -7)].into());
    assert_eq!(rent(&builder.line("wallet")), -i128::from(DEPOSIT));
    assert_eq!(net(&builder.line("friend")), [(key("mint"), 7)].into());
}

#[test]
fn an_account_is_initialized_for_its_owner() {
    for first_form in [false, true] {
        let initialize = if first_form {
            initialize_account_1("account", "mint", "friend")
        } else {
            initialize_account(TOKEN, "account", "mint", "friend")
        };
        let builder = Builder::signed_by(&["wallet"])
            .lamports("wallet", SOL, SOL - FEE - DEPOSIT)
            .lamports("account", 0, DEPOSIT)
            .held_after("account", &of_nobody("mint"), 3)
            .call(create("wallet", "account", DEPOSIT, 165, TOKEN))
            .call(initialize)
            .call(mint_to("mint", "account", "wallet", 3));
        let friend = builder.line("friend");
        assert_eq!(net(&friend), [(key("mint"), 3)].into());
        assert_eq!(rent(&friend), i128::from(DEPOSIT));
        assert_eq!(rent(&builder.line("wallet")), -i128::from(DEPOSIT));
    }
}

#[test]
fn an_associated_account_says_its_owner_by_its_address() {
    let account =
        associated_token_account(&address("friend"), &address("mint"), TokenProgram::SplToken)
            .unwrap();
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("friend", SOL, SOL)
        .lamports(account.as_str(), DEPOSIT, DEPOSIT)
        .held(account.as_str(), &of_nobody("mint"), 1, 8)
        .call(mint_to("mint", account.as_str(), "wallet", 7))
        .line("friend");
    assert_eq!(net(&line), [(key("mint"), 7)].into());
    assert!(line.notes.is_empty(), "{:?}", line.notes);
}

#[test]
fn a_wrapped_account_without_rows_is_found_by_its_address() {
    let account =
        associated_token_account(&address("wallet"), &address(WSOL), TokenProgram::SplToken)
            .unwrap();
    let paid = |before: u64| {
        Builder::signed_by(&["wallet"])
            .lamports("wallet", SOL, SOL - FEE - 3_000_000)
            .lamports(account.as_str(), before, before + 3_000_000)
            .call(transfer("wallet", account.as_str(), 3_000_000))
            .line("wallet")
    };
    let own = paid(DEPOSIT + 5);
    assert_eq!((native(&own), rent(&own)), (0, 0));
    assert_eq!(note_codes(&own), ["account_derived"]);
    // An address that holds less than a token account needs is none yet.
    assert_eq!(native(&paid(0)), -3_000_000);
}

#[test]
fn a_missing_row_of_zero_tokens_is_no_departure() {
    let line = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("account", DEPOSIT, DEPOSIT)
        .lamports("pool", DEPOSIT, DEPOSIT)
        .held_before("account", &of("mint", "wallet"), 6)
        .held("pool", &of("mint", "maker"), 1, 7)
        .call(token_transfer("account", "pool", "wallet", 6))
        .line("wallet");
    assert_eq!(net(&line), [(key("mint"), -6)].into());
    assert_eq!((native(&line), rent(&line)), (0, 0));
}

#[test]
fn discovery_finds_accounts_that_come_and_go() {
    let transaction = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - DEPOSIT)
        .lamports("kept", 0, DEPOSIT)
        .lamports("given", DEPOSIT, DEPOSIT)
        .lamports("pool", DEPOSIT, DEPOSIT)
        .held_after("kept", &of("new mint", "wallet"), 0)
        .held_before("given", &of("mint", "wallet"), 1)
        .held_after("given", &of("mint", "friend"), 1)
        .held("pool", &of("other mint", "maker"), 1, 1)
        .call_with(
            create_associated("wallet", "kept", "wallet", "new mint"),
            &[
                create("wallet", "kept", DEPOSIT, 165, TOKEN),
                initialize_account(TOKEN, "kept", "new mint", "wallet"),
            ],
        )
        .call(create("wallet", "temporary", DEPOSIT, 165, TOKEN))
        .call(initialize_account(TOKEN, "temporary", WSOL, "wallet"))
        .call(close(TOKEN, "temporary", "wallet", "wallet"))
        .call(set_owner("given", "wallet", "friend"))
        .transaction();
    let names = |wallet: &str| -> Vec<String> {
        let found = transaction.discover(&address(wallet)).unwrap();
        found.token_accounts.iter().map(|account| account.to_string()).collect()
    };
    let sorted = |names: &[&str]| {
        let mut keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        keys.sort();
        keys
    };
    assert_eq!(names("wallet"), sorted(&["kept", "given", "temporary"]));
    assert_eq!(names("friend"), sorted(&["given"]));
    assert!(names("nobody").is_empty());
    let mints = transaction.discover(&address("nobody")).unwrap().mints;
    let mints: Vec<_> =
        mints.into_iter().map(|(mint, program)| (mint.to_string(), program)).collect();
    let want = sorted(&["new mint", "mint", "other mint", WSOL]);
    assert_eq!(mints, want.into_iter().map(|m| (m, TokenProgram::SplToken)).collect::<Vec<_>>());
}

#[test]
fn the_default_wallets_are_signers_and_then_owners_with_a_change_by_address() {
    let transaction = Builder::signed_by(&["payer", "wallet"])
        .lamports("payer", SOL, SOL - FEE)
        .lamports("a", DEPOSIT, DEPOSIT)
        .lamports("b", DEPOSIT, DEPOSIT)
        .lamports("c", DEPOSIT, DEPOSIT)
        .lamports("d", DEPOSIT, DEPOSIT)
        .held("a", &of("mint", "wallet"), 9, 7)
        .held("b", &of("mint", "zoe"), 0, 1)
        .held("c", &of("mint", "adam"), 0, 1)
        .held("d", &of("mint", "idle"), 5, 5)
        .call(token_transfer("a", "b", "wallet", 1))
        .call(token_transfer("a", "c", "wallet", 1))
        .transaction();
    let wallets: Vec<_> =
        transaction.view_all().iter().map(|line| line.wallet.to_string()).collect();
    let mut others = [key("zoe"), key("adam")];
    others.sort();
    let [first, second] = others;
    assert_eq!(wallets, [key("payer"), key("wallet"), first, second]);
}
