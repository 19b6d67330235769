//! Token accounts: opened, closed, given, wrapped; old and unwanted transactions.

use pnl_core::TxKind;

use crate::{NOTHING, Split, TOKEN_ACCOUNT, USDC, assert_split, devnet, mainnet};

/// The sender opens the receiver's account: a deposit for somebody else, seen from both sides.
#[test]
fn a_payment_into_an_account_that_is_opened_for_the_receiver() {
    let signature =
        "2Smm8pWaixsDSPC5wsjmwA7idUmz1YBp4kweQpeB759RGaiScJDedcJV75KLAT7LBm3GGekUZjKW4H7GagPxof5n";
    assert_eq!(300_710_697_305i128 - 300_712_741_585, -5_000 - TOKEN_ACCOUNT);
    let Some(sender) = mainnet(signature, "9un5wqE3q4oCjyrDkwsdD48KteCJitQX5978Vh7KKxHo") else {
        return;
    };
    assert_split(
        &sender,
        &Split {
            kind: TxKind::TransferOut,
            net: &[(USDC, -212_000_000)],
            fee: Some(-5_000),
            rent: -TOKEN_ACCOUNT,
            ..NOTHING
        },
    );
    let receiver = mainnet(signature, "4ZUQV8tqEBoGaBZzBRDiBbYCyBVFLL9uzGkJyXe9eyBg").unwrap();
    let want = Split {
        kind: TxKind::TransferIn,
        net: &[(USDC, 212_000_000)],
        rent: TOKEN_ACCOUNT,
        ..NOTHING
    };
    assert_split(&receiver, &want);
}

#[test]
fn a_single_token_is_given_away_with_its_new_account() {
    let signature =
        "5ChR6nE7SssBX6FrMJCXMb3Z93uQFWtET15RLhxCg1GCWbgaQMAXPH4C6SqrannjvsCeeR7Kq9qNPas3Ehsh76Pm";
    let nft = "HFQ4rcivJ4PnY5EWDFJigoDACNEEUfFP2eexTKCJ4VzF";
    assert_eq!(1_880_719 - 4_000_000, -80_001 - TOKEN_ACCOUNT);
    let Some(line) = mainnet(signature, "9rJ4QzDLYm5VARnuWcMFMzB4Nr1hKprGQWb8LTfsU6Q2") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Nft,
            net: &[(nft, -1)],
            fee: Some(-80_001),
            rent: -TOKEN_ACCOUNT,
            ..NOTHING
        },
    );
}

/// One signer burns everything and closes the account, the deposit goes to the other signer, who
/// pays fee and tip.
#[test]
fn tokens_are_burned_and_the_deposit_goes_to_another_signer() {
    let signature =
        "2VUx6foYMdA5uDhCjY7hwxNbQYPtMSWNEoW733UzGt83h7icrFzhB2QBXCVGgzXGfrJSVGziaxEQWQpvGqis2Q2j";
    let Some(burner) = mainnet(signature, "BSCzizFg1AdKA5fFbQM5x44jTAtypWgShgeje8xeZooa") else {
        return;
    };
    assert_split(
        &burner,
        &Split {
            kind: TxKind::Burn,
            net: &[("7xavhMG8c8xirE4q2Y5SjCdJjRB7MSwg9Jsq98ZppCNZ", -751_841_958_784)],
            rent: -TOKEN_ACCOUNT,
            ..NOTHING
        },
    );
    assert_eq!(185_995_397_236i128 - 185_993_368_956, -10_000 - 1_000 + TOKEN_ACCOUNT);
    let payer = mainnet(signature, "ETBHkTViiU2eKDALKCYSmCCLVuRMngRCAJM3mmC8HAL6").unwrap();
    assert_split(
        &payer,
        &Split {
            kind: TxKind::Other,
            fee: Some(-10_000),
            tips: -1_000,
            rent: TOKEN_ACCOUNT,
            ..NOTHING
        },
    );
}

/// The close authority of an empty account is not its owner: the owner loses the deposit without
/// a signature.
#[test]
fn an_empty_account_is_closed_by_its_close_authority() {
    let signature =
        "3CMUQydZk9RBLqrdSaozCvmYNGvETXfZGHCdJS2APf589ZsWNsGsWnebARd8PF8fyRRR6bcvJmwQDBV6beWYx1vZ";
    let Some(owner) = mainnet(signature, "9UBuidDmntNQzTWDi7PYxuyjPgjSNvdsqbErPT8YHdHw") else {
        return;
    };
    let want = Split { kind: TxKind::Other, rent: -TOKEN_ACCOUNT, ..NOTHING };
    assert_split(&owner, &want);
    let receiver = mainnet(signature, "ExxP8D4VqTFhZ6RWjvzqk3pKU3GdYNFHyTHdSQgLcsXn").unwrap();
    let want = Split { kind: TxKind::Other, rent: TOKEN_ACCOUNT, ..NOTHING };
    assert_split(&receiver, &want);
}

/// One lamport to each of 17 strangers.
#[test]
fn an_advertisement_by_dust() {
    let signature =
        "4UoyrhPVWBCkiWUMWdyHUQQ29qMxCFXM6iXt7pL9ufaGgcnA8nz1qGQZfgKJcRURgvwmpLWeBVwfp1EJDZoVXPDA";
    let Some(sender) = mainnet(signature, "FLipG5QHjZe1H12f6rr5LCnrmqjhwuBTBp78GwzxnwkR") else {
        return;
    };
    assert_split(
        &sender,
        &Split { kind: TxKind::TransferOut, net: &[("native", -17)], fee: Some(-5_000), ..NOTHING },
    );
    let receiver = mainnet(signature, "86CQTnfE9zvo5PVRVnpuoqVFyUEsemqXRqaowfYBpCiB").unwrap();
    let want = Split { kind: TxKind::Spam, net: &[("native", 1)], ..NOTHING };
    assert_split(&receiver, &want);
}

/// Token-2022 account of 182 bytes, opened and paid by the authority that mints into it.
#[test]
fn an_airdrop_into_an_account_opened_by_the_sender() {
    let signature =
        "3rCxsSaBjUC8tfZiCRLeCwcLJyYGRrydvsFxVXieN4mamXMh4SYhpjD7CoCpv42BU9BLBqvZnmsbgjf2DrVRXh2y";
    let Some(line) = devnet(signature, "2hdEJTt3VhB4p5DFZcKYqwgrCRApiSiG45GpifN1ry4s") else {
        return;
    };
    assert!(!line.signed);
    assert_split(
        &line,
        &Split {
            kind: TxKind::TransferIn,
            net: &[("4prUxXa4GTzTD5GFHxF5JEErfuyYPXy6Xm52i6wMSc1h", 1_478_362_044)],
            rent: (128 + 182) * 6_960,
            ..NOTHING
        },
    );
}

/// October 2021, rows without owners. The new account is initialized for HykQ.., the other is the
/// sender's associated account.
#[test]
fn an_old_recording_without_owners() {
    let signature =
        "YvmJG3ByHbMCuwYfvAKoNcTZ4CQUudBDFtr3rpUabKX9b2Xb8FDyQGBQkED1pvo38UMndbSZPwiNHMLz6j8dTiC";
    assert_eq!(2_640_170_202i128 - 2_642_214_482, -5_000 - TOKEN_ACCOUNT);
    let Some(sender) = mainnet(signature, "2TFcdmtALgJWzkKWyDJWfiKCuDuMkTQGopzzxTVXvQuw") else {
        return;
    };
    assert_split(
        &sender,
        &Split {
            kind: TxKind::TransferOut,
            net: &[(USDC, 801_978_898 - 803_978_898)],
            fee: Some(-5_000),
            rent: -TOKEN_ACCOUNT,
            ..NOTHING
        },
    );
    assert!(sender.notes.is_empty(), "{:?}", sender.notes);
    let receiver = mainnet(signature, "HykQPNSip4t3t1zgjrzK6gcF82mcSEv92TAvdPHBXETH").unwrap();
    let want = Split {
        kind: TxKind::TransferIn,
        net: &[(USDC, 2_000_000)],
        rent: TOKEN_ACCOUNT,
        ..NOTHING
    };
    assert_split(&receiver, &want);
}

/// 6,113,914,887 are wrapped in a new account with its deposit: all of it stays the wallet's.
#[test]
fn wrapping_is_no_movement() {
    let signature =
        "2PqQeSAfdJcRocxF1NFn1iFK5iGG1uvSLQDiyd7iRkFrptkmkUsZDcEe4rUEBFppRhBMMxWgAAXNjsnyckGfiwzT";
    assert_eq!(81_425_523_780i128 - 87_541_641_244, -163_297 - TOKEN_ACCOUNT - 6_113_914_887);
    let Some(line) = devnet(signature, "J8oEfKWbS3DtJkNmCcYjRnafuY82zfWLxjef7Hm8GqzP") else {
        return;
    };
    assert_split(&line, &Split { kind: TxKind::Wrap, fee: Some(-163_297), ..NOTHING });
}

#[test]
fn unwrapping_is_no_movement() {
    let signature =
        "53aw5UzE1ppsQiWysysZev79wEsnSNnubcx7DzAVDKM2WFaqoEpEuKfJ84ZS2e5UpSAUaUfkB29B3mLCdwc9yvgb";
    assert_eq!(27_114_282_916i128 - 26_674_571_817, 437_676_819 + TOKEN_ACCOUNT - 5_000);
    let Some(line) = devnet(signature, "44tgxihnEQA5Ge34MHyKS28sNmWZV4UsanLWbNqyuRCY") else {
        return;
    };
    assert_split(&line, &Split { kind: TxKind::Unwrap, fee: Some(-5_000), ..NOTHING });
}
