//! Deposits at each rate: 6,960 lamports a byte, 6,333 from slot 444,096,000 on, 5,080 from slot
//! 446,256,000 on, later ones whose slots are not known, and one that nobody announced.

use crate::builder::{Builder, DEPOSIT, Instruction, STAKE, TOKEN, TOKEN_2022, WSOL, of, of_2022};
use crate::instructions::{
    allocate, assign, close, create, create_associated, create_with_seed, initialize_account,
    stake_split, stake_withdraw, sync_native, transfer, withdraw_excess, withdraw_nonce,
};
use crate::{native, note_codes, rent};

const SOL: u64 = 1_000_000_000;
const FEE: u64 = 5_000;
/// The last slot of the first rate, the first slot of the second and of the third one.
const FIRST: u64 = 444_095_999;
const SECOND: u64 = 444_096_000;
const THIRD: u64 = 446_256_000;
const LATER: u64 = 470_000_000;
/// Every slot with the rate in force. The last one is no step of any proposal.
const RATES: [(u64, u64); 8] = [
    (300_000_000, 6_960),
    (FIRST, 6_960),
    (SECOND, 6_333),
    (THIRD, 5_080),
    (LATER, 2_575),
    (LATER, 1_322),
    (LATER, 696),
    (LATER, 3_001),
];

const fn signed(lamports: u64) -> i128 {
    lamports as i128
}

/// Net and rent of a wallet.
fn split(builder: &Builder, wallet: &str) -> (i128, i128) {
    let line = builder.line(wallet);
    (native(&line), rent(&line))
}

/// A call of a program that is not in any table.
fn program() -> Instruction {
    Instruction::new("some program", &[], b"do it")
}

#[test]
fn a_token_account_opened_for_another_wallet_is_rent_at_every_rate() {
    for (slot, rate) in RATES {
        let deposit = 293 * rate;
        let opened = Builder::signed_by(&["relayer"])
            .at_slot(slot)
            .lamports("relayer", SOL, SOL - FEE - deposit)
            .lamports("account", 0, deposit)
            .held_after("account", &of("mint", "wallet"), 0)
            .call_with(
                create_associated("relayer", "account", "wallet", "mint"),
                &[
                    create("relayer", "account", deposit, 165, TOKEN),
                    initialize_account(TOKEN, "account", "mint", "wallet"),
                ],
            );
        assert_eq!(split(&opened, "relayer"), (0, -signed(deposit)), "{rate}");
        assert_eq!(split(&opened, "wallet"), (0, signed(deposit)), "{rate}");
        let closed = Builder::signed_by(&["wallet"])
            .at_slot(slot)
            .lamports("wallet", SOL, SOL - FEE)
            .lamports("friend", SOL, SOL + deposit)
            .lamports("account", deposit, 0)
            .held_before("account", &of("mint", "wallet"), 0)
            .call(close(TOKEN, "account", "friend", "wallet"));
        assert_eq!(split(&closed, "wallet"), (0, -signed(deposit)), "{rate}");
        assert_eq!(split(&closed, "friend"), (0, signed(deposit)), "{rate}");
    }
}

#[test]
fn what_is_wrapped_is_never_a_deposit() {
    for (slot, rate) in RATES {
        let (deposit, wrapped) = (293 * rate, SOL / 2);
        let lamports = deposit + wrapped;
        let opened = Builder::signed_by(&["relayer"])
            .at_slot(slot)
            .lamports("relayer", SOL, SOL - FEE - lamports)
            .lamports("account", 0, lamports)
            .held_after("account", &of(WSOL, "wallet"), wrapped)
            .call(create_with_seed("relayer", "account", lamports, 165, TOKEN))
            .call(initialize_account(TOKEN, "account", WSOL, "wallet"));
        assert_eq!(split(&opened, "relayer"), (-signed(wrapped), -signed(deposit)), "{rate}");
        assert_eq!(split(&opened, "wallet"), (signed(wrapped), signed(deposit)), "{rate}");
        let closed = Builder::signed_by(&["wallet"])
            .at_slot(slot)
            .lamports("wallet", SOL, SOL - FEE)
            .lamports("friend", SOL, SOL + lamports)
            .lamports("account", lamports, 0)
            .held_before("account", &of(WSOL, "wallet"), wrapped)
            .call(close(TOKEN, "account", "friend", "wallet"));
        assert_eq!(split(&closed, "wallet"), (-signed(wrapped), -signed(deposit)), "{rate}");
        assert_eq!(split(&closed, "friend"), (signed(wrapped), signed(deposit)), "{rate}");
    }
}

#[test]
fn a_small_wrapped_amount_is_no_deposit_either() {
    // Together less than the deposit of the first rate.
    let (deposit, wrapped) = (293 * 5_080, 300_000);
    let lamports = deposit + wrapped;
    let opened = Builder::signed_by(&["relayer"])
        .at_slot(THIRD)
        .lamports("relayer", SOL, SOL - FEE - lamports)
        .lamports("account", 0, lamports)
        .held_after("account", &of(WSOL, "wallet"), wrapped)
        .call_with(
            create_associated("relayer", "account", "wallet", WSOL),
            &[
                create("relayer", "account", deposit, 165, TOKEN),
                initialize_account(TOKEN, "account", WSOL, "wallet"),
            ],
        )
        .call(transfer("relayer", "account", wrapped))
        .call(sync_native("account"));
    assert_eq!(split(&opened, "wallet"), (signed(wrapped), signed(deposit)));
}

#[test]
fn of_a_new_program_account_only_the_minimum_of_its_slot_is_a_deposit() {
    for (slot, rate) in [(FIRST, 6_960), (SECOND, 6_333), (THIRD, 5_080)] {
        let (deposit, surplus) = ((128 + 100) * rate, 50_000);
        let opened = Builder::signed_by(&["wallet"])
            .at_slot(slot)
            .lamports("wallet", SOL, SOL - FEE - deposit - surplus)
            .lamports("order", 0, deposit + surplus)
            .call_with(
                program(),
                &[create("wallet", "order", deposit + surplus, 100, "some program")],
            );
        assert_eq!(split(&opened, "wallet"), (-signed(surplus), -signed(deposit)), "{rate}");
    }
}

#[test]
fn what_is_paid_into_a_new_account_after_its_deposit_is_net_at_every_rate() {
    for (slot, rate) in RATES {
        let (deposit, surplus) = ((128 + 100) * rate, 50_001);
        let opened = Builder::signed_by(&["wallet"])
            .at_slot(slot)
            .lamports("wallet", SOL, SOL - FEE - deposit - surplus)
            .lamports("order", 0, deposit + surplus)
            .call_with(
                program(),
                &[
                    create("wallet", "order", deposit, 100, "some program"),
                    transfer("wallet", "order", surplus),
                ],
            );
        assert_eq!(split(&opened, "wallet"), (-signed(surplus), -signed(deposit)), "{rate}");
    }
}

#[test]
fn an_unknown_rate_and_a_surplus_in_one_sum_count_as_deposit_up_to_the_last_known_rate() {
    let opened = |lamports: u64| {
        Builder::signed_by(&["wallet"])
            .at_slot(LATER)
            .lamports("wallet", SOL, SOL - FEE - lamports)
            .lamports("order", 0, lamports)
            .call_with(program(), &[create("wallet", "order", lamports, 100, "some program")])
    };
    let small = 228 * 3_001 + 50_001;
    assert_eq!(split(&opened(small), "wallet"), (0, -signed(small)));
    let (large, most) = (228 * 3_001 + SOL / 2, 228 * 5_080);
    assert_eq!(split(&opened(large), "wallet"), (signed(most) - signed(large), -signed(most)));
}

#[test]
fn who_still_pays_the_deposit_of_the_first_rate_pays_a_deposit() {
    // A program with the amount written into it; also what would be if the first rate came back.
    let opened = Builder::signed_by(&["relayer"])
        .at_slot(THIRD)
        .lamports("relayer", SOL, SOL - FEE - DEPOSIT)
        .lamports("account", 0, DEPOSIT)
        .held_after("account", &of("mint", "wallet"), 0)
        .call_with(
            program(),
            &[
                transfer("relayer", "account", DEPOSIT),
                allocate("account", 165),
                assign("account", TOKEN),
                initialize_account(TOKEN, "account", "mint", "wallet"),
            ],
        );
    assert_eq!(split(&opened, "relayer"), (0, -signed(DEPOSIT)));
    assert_eq!(split(&opened, "wallet"), (0, signed(DEPOSIT)));
}

#[test]
fn of_a_new_stake_account_the_minimum_of_its_slot_is_rent() {
    for (slot, rate) in [(FIRST, 6_960), (SECOND, 6_333), (THIRD, 5_080)] {
        let lamports = 328 * rate + 3 * SOL;
        let created = Builder::signed_by(&["wallet"])
            .at_slot(slot)
            .lamports("wallet", 9 * SOL, 9 * SOL - FEE - lamports)
            .lamports("stake", 0, lamports)
            .call(create_with_seed("wallet", "stake", lamports, 200, STAKE));
        assert_eq!(split(&created, "wallet"), (-signed(3 * SOL), -signed(328 * rate)), "{rate}");
    }
}

#[test]
fn a_split_stake_needs_the_deposit_of_any_rate() {
    for (slot, rate) in RATES {
        let deposit = 328 * rate;
        let splitted = Builder::signed_by(&["wallet", "new"])
            .at_slot(slot)
            .lamports("wallet", SOL, SOL - FEE - deposit)
            .lamports("stake", 9 * SOL, 7 * SOL)
            .lamports("new", 0, 2 * SOL + deposit)
            .call(create("wallet", "new", deposit, 200, STAKE))
            .call(stake_split("stake", "new", 2 * SOL));
        assert_eq!(split(&splitted, "wallet"), (0, -signed(deposit)), "{rate}");
    }
}

#[test]
fn an_emptied_stake_account_gives_back_at_most_the_deposit_of_the_first_rate() {
    let emptied = |lamports: u64| {
        Builder::signed_by(&["wallet"])
            .at_slot(THIRD)
            .lamports("wallet", SOL, SOL - FEE + lamports)
            .lamports("stake", lamports, 0)
            .call(stake_withdraw("stake", "wallet", lamports))
    };
    assert_eq!(split(&emptied(328 * 5_080), "wallet"), (0, 328 * 5_080));
    // The account may be as old as the first rate.
    let most = 328 * 6_960;
    assert_eq!(split(&emptied(most + 3 * SOL), "wallet"), (signed(3 * SOL), signed(most)));
}

#[test]
fn a_nonce_account_gives_back_what_it_held_at_every_rate() {
    for (slot, rate) in RATES {
        let deposit = 208 * rate;
        let emptied = Builder::signed_by(&["wallet"])
            .at_slot(slot)
            .lamports("wallet", SOL, SOL - FEE + deposit)
            .lamports("nonce", deposit, 0)
            .call(withdraw_nonce("nonce", "wallet", deposit));
        assert_eq!(split(&emptied, "wallet"), (0, signed(deposit)), "{rate}");
    }
}

#[test]
fn a_token_2022_account_gives_back_what_it_held_at_every_rate() {
    for (slot, rate) in RATES {
        let deposit = (128 + 182) * rate;
        let closed = Builder::signed_by(&["wallet"])
            .at_slot(slot)
            .lamports("wallet", SOL, SOL - FEE)
            .lamports("friend", SOL, SOL + deposit)
            .lamports("account", deposit, 0)
            .held_before("account", &of_2022("mint", "wallet"), 0)
            .call(close(TOKEN_2022, "account", "friend", "wallet"));
        assert_eq!(split(&closed, "wallet"), (0, -signed(deposit)), "{rate}");
    }
}

/// An account of a program without an instruction that says so, from one balance to another.
fn changed(slot: u64, before: u64, after: u64) -> Builder {
    let builder = Builder::signed_by(&["wallet"])
        .at_slot(slot)
        .lamports("wallet", SOL, SOL - FEE + before - after)
        .lamports("position", before, after);
    if after > before {
        builder.call_with(program(), &[transfer("wallet", "position", after - before)])
    } else {
        builder.call(program())
    }
}

#[test]
fn an_account_emptied_by_its_program_gives_back_an_exact_deposit_of_any_known_rate() {
    for (slot, rate) in RATES.into_iter().filter(|(_, rate)| *rate != 3_001) {
        let emptied = changed(slot, (128 + 256) * rate, 0);
        assert_eq!(split(&emptied, "wallet"), (0, signed(384 * rate)), "{rate}");
        assert!(emptied.line("wallet").notes.is_empty(), "{rate}");
    }
    // Of a rate that is not known, or not yet, only the deposit of an empty account is certain.
    for (slot, rate, certain) in
        [(LATER, 3_001, 128 * 5_080), (SECOND, 5_080, 128 * 6_333), (FIRST, 6_333, 128 * 6_960)]
    {
        let emptied = changed(slot, (128 + 256) * rate, 0);
        let rest = signed(384 * rate) - signed(certain);
        assert_eq!(split(&emptied, "wallet"), (rest, signed(certain)), "{rate}");
        assert_eq!(note_codes(&emptied.line("wallet")), ["deposit_unsized"]);
    }
}

#[test]
fn an_account_of_an_earlier_rate_grows_and_is_relieved_at_the_rate_of_now() {
    let (before, grown, relieved) = (228 * 6_960, 428 * 5_080, 228 * 5_080);
    let paid = signed(grown - before);
    assert_eq!(split(&changed(THIRD, before, grown), "wallet"), (0, -paid));
    let back = signed(before - relieved);
    assert_eq!(split(&changed(THIRD, before, relieved), "wallet"), (0, back));
}

#[test]
fn excess_that_a_lower_rate_sets_free_is_a_deposit_that_comes_back() {
    let (before, after) = (DEPOSIT, 293 * 5_080);
    let excess = before - after;
    let builder = || {
        Builder::signed_by(&["wallet"]).at_slot(THIRD).lamports("account", before, after).held(
            "account",
            &of("mint", "wallet"),
            70,
            70,
        )
    };
    let own = builder()
        .lamports("wallet", SOL, SOL - FEE + excess)
        .call(withdraw_excess(TOKEN, "account", "wallet", "wallet"));
    assert_eq!(split(&own, "wallet"), (0, 0), "lamports of an own account are the wallet's");
    let given = builder()
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("friend", SOL, SOL + excess)
        .call(withdraw_excess(TOKEN, "account", "friend", "wallet"));
    assert_eq!(split(&given, "wallet"), (0, -signed(excess)));
    assert_eq!(split(&given, "friend"), (0, signed(excess)));
    let (before, after) = (210 * 6_960, 210 * 5_080);
    let mint = Builder::signed_by(&["wallet"])
        .at_slot(THIRD)
        .lamports("wallet", SOL, SOL - FEE + before - after)
        .lamports("mint", before, after)
        .call(withdraw_excess(TOKEN, "mint", "wallet", "wallet"));
    assert_eq!(split(&mint, "wallet"), (0, signed(before - after)));
}

#[test]
fn a_surplus_that_somebody_sent_is_net_when_it_is_withdrawn() {
    let (deposit, surplus) = (293 * 5_080, SOL / 4);
    let given = Builder::signed_by(&["wallet"])
        .at_slot(THIRD)
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("friend", SOL, SOL + DEPOSIT - deposit + surplus)
        .lamports("account", DEPOSIT + surplus, deposit)
        .held("account", &of("mint", "wallet"), 70, 70)
        .call(withdraw_excess(TOKEN, "account", "friend", "wallet"));
    let freed = signed(DEPOSIT - deposit);
    assert_eq!(split(&given, "wallet"), (-signed(surplus), -freed));
    assert_eq!(split(&given, "friend"), (signed(surplus), freed));
}

#[test]
fn a_surplus_of_a_large_account_is_net_alone_while_the_rate_stays() {
    // More than the smallest Token-2022 account holds.
    let (deposit, surplus) = ((128 + 300) * 6_960, 5_000_001);
    let given = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("friend", SOL, SOL + surplus)
        .lamports("account", deposit + surplus, deposit)
        .held("account", &of_2022("mint", "wallet"), 70, 70)
        .call(withdraw_excess(TOKEN_2022, "account", "friend", "wallet"));
    assert_eq!(split(&given, "wallet"), (-signed(surplus), 0));
    assert_eq!(split(&given, "friend"), (signed(surplus), 0));
}

#[test]
fn a_deposit_that_becomes_wrapped_stays_with_the_wallet() {
    // At a lower rate the program counts what the deposit no longer needs as wrapped.
    let synced = Builder::signed_by(&["wallet"])
        .at_slot(THIRD)
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("account", DEPOSIT + 500, DEPOSIT + 500)
        .held("account", &of(WSOL, "wallet"), 500, 500 + DEPOSIT - 293 * 5_080)
        .call(sync_native("account"));
    assert_eq!(split(&synced, "wallet"), (0, 0));
}
