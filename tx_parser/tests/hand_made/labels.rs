//! Kind, venue and whether an exchange took part.

use pnl_core::TxKind;

use crate::builder::{Builder, DEPOSIT, Instruction, STAKE, TOKEN, WSOL, of};
use crate::instructions::{
    approve, burn, close, mint_to, revoke, stake_withdraw, sync_native, token_transfer, transfer,
};
use crate::{native, net};

const SOL: u64 = 1_000_000_000;
const FEE: u64 = 5_000;
const TIP: &str = "96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5";
const JUPITER: &str = "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4";
const WHIRLPOOL: &str = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc";
const SERUM: &str = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin";
const LIMIT_ORDERS: &str = "j1o2qRpjcyUwEvwtcfhEQefh773ZgjxcVRry7LDqg5X";
const DISTRIBUTOR: &str = "meRjbQXFNf5En86FXT2YPz1dQzLj4Yb3xK8u1MVgqpb";
const KAMINO: &str = "KLend2g3cP87fffoy8q1mQqGKjrxjC8boSyAYavgmjD";
const WORMHOLE: &str = "wormDTUJ6AWPNvk59vGQbDvGJmqbDTdgWgAqcLBCgUb";
const LIGHTHOUSE: &str = "L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95";

fn call(program: &str) -> Instruction {
    Instruction::new(program, &[], &[1, 2, 3, 4, 5, 6, 7, 8])
}

/// The wallet signs and pays the fee; its account and a pool's account of each mint.
fn base(mints: &[(&str, u64, u64)]) -> Builder {
    let mut builder = Builder::signed_by(&["wallet"]).lamports("wallet", SOL, SOL - FEE);
    for (mint, before, after) in mints {
        let (own, pool) = (format!("own {mint}"), format!("pool {mint}"));
        builder = builder
            .lamports(&own, DEPOSIT, DEPOSIT)
            .lamports(&pool, DEPOSIT, DEPOSIT)
            .held(&own, &of(mint, "wallet"), *before, *after)
            .held(&pool, &of(mint, "pool"), 1_000 + after, 1_000 + before);
    }
    builder
}

fn kind(builder: &Builder) -> TxKind {
    builder.line("wallet").kind
}

#[test]
fn nothing_moved_but_the_fee() {
    assert_eq!(kind(&base(&[])), TxKind::FeeOnly);
    assert_eq!(base(&[]).lamports("other", 5, 5).line("other").kind, TxKind::None);
    let tip = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - 10)
        .lamports(TIP, 1, 11)
        .call(transfer("wallet", TIP, 10));
    assert_eq!(kind(&tip), TxKind::FeeOnly);
}

#[test]
fn a_failed_transaction_is_a_fee_whatever_it_tried() {
    let mut builder = base(&[("a", 5, 5)])
        .call_with(call(JUPITER), &[token_transfer("own a", "pool a", "wallet", 5)]);
    builder.failed = true;
    let line = builder.line("wallet");
    assert_eq!(line.kind, TxKind::FeeOnly);
    assert_eq!(line.venue, None);
    assert!(!line.exchange && line.net.is_empty());
}

#[test]
fn permissions_and_movements_between_own_accounts() {
    let delegate = base(&[("a", 5, 5)]).call(approve("own a", "bot", "wallet"));
    assert_eq!(kind(&delegate), TxKind::Approve);
    assert_eq!(kind(&base(&[("a", 5, 5)]).call(revoke("own a", "wallet"))), TxKind::Approve);
    let own = base(&[("a", 5, 3)])
        .lamports("second", DEPOSIT, DEPOSIT)
        .held("second", &of("a", "wallet"), 0, 2)
        .call(token_transfer("own a", "second", "wallet", 2));
    assert_eq!(kind(&own), TxKind::OwnTransfer);
    assert_eq!(kind(&base(&[]).call(transfer("wallet", "wallet", 9))), TxKind::OwnTransfer);
    // A transfer of nothing is none.
    let none = base(&[("a", 5, 5)]).call(token_transfer("own a", "own a", "wallet", 0));
    assert_eq!(kind(&none), TxKind::FeeOnly);
}

#[test]
fn wrapping_and_unwrapping() {
    let wrap = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE - 100)
        .lamports("wrapped", DEPOSIT, DEPOSIT + 100)
        .held("wrapped", &of(WSOL, "wallet"), 0, 100)
        .call(transfer("wallet", "wrapped", 100))
        .call(sync_native("wrapped"));
    assert_eq!(kind(&wrap), TxKind::Wrap);
    let unwrap = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + DEPOSIT + 100)
        .lamports("wrapped", DEPOSIT + 100, 0)
        .held_before("wrapped", &of(WSOL, "wallet"), 100)
        .call(close(TOKEN, "wrapped", "wallet", "wallet"));
    assert_eq!(kind(&unwrap), TxKind::Unwrap);
}

#[test]
fn one_for_another_is_a_swap_also_at_an_unknown_program() {
    let known = base(&[("a", 5, 0), ("b", 0, 7)])
        .call(call(LIGHTHOUSE))
        .call_with(call(JUPITER), &[call(WHIRLPOOL)]);
    let line = known.line("wallet");
    assert_eq!((line.kind, line.venue.as_deref()), (TxKind::Swap, Some("jupiter_v6")));
    assert!(line.exchange);
    // The venue is what the user called, not the pool behind it.
    let wrapped = base(&[("a", 5, 0), ("b", 0, 7)]).call_with(call("a bot"), &[call(WHIRLPOOL)]);
    let line = wrapped.line("wallet");
    assert_eq!((line.kind, line.venue, line.exchange), (TxKind::Swap, None, true));
    let unknown = base(&[("a", 5, 0), ("b", 0, 7)]).call(call("a bot"));
    assert_eq!((kind(&unknown), unknown.line("wallet").exchange), (TxKind::Swap, false));
}

#[test]
fn a_round_trip_is_a_swap_and_an_order_in_the_book_is_none() {
    let trip = base(&[("a", 5, 9)]).call_with(call(JUPITER), &[call(WHIRLPOOL)]);
    assert_eq!(kind(&trip), TxKind::Swap);
    assert_eq!(kind(&base(&[("a", 9, 5)]).call(call(SERUM))), TxKind::Order);
    assert_eq!(kind(&base(&[("a", 5, 9), ("b", 0, 1)]).call(call(SERUM))), TxKind::Order);
}

#[test]
fn orders_are_told_from_the_trades_of_those_who_fill_them() {
    let opened = base(&[("a", 9, 0)]).call(call(LIMIT_ORDERS));
    assert_eq!(kind(&opened), TxKind::Order);
    let fill = base(&[("a", 5, 9)])
        .lamports("customers", DEPOSIT, DEPOSIT)
        .held("customers", &of("b", "customer"), 0, 3)
        .call(call(LIMIT_ORDERS))
        .call(call(JUPITER));
    assert_eq!(kind(&fill), TxKind::Swap, "the keeper keeps a difference");
    let customer = fill.line("customer");
    assert_eq!((customer.kind, customer.signed), (TxKind::Order, false));
}

#[test]
fn liquidity_moves_two_assets_one_way_or_mints_a_share() {
    let two_in = base(&[("a", 0, 5), ("b", 0, 7)]).call(call(WHIRLPOOL));
    assert_eq!(kind(&two_in), TxKind::Liquidity);
    let share = base(&[("a", 5, 0), ("b", 7, 0), ("share", 0, 3)])
        .call_with(call(WHIRLPOOL), &[mint_to("share", "own share", "pool", 3)]);
    assert_eq!(kind(&share), TxKind::Liquidity);
    let back = base(&[("a", 0, 5), ("share", 3, 0)])
        .call_with(call(WHIRLPOOL), &[burn("own share", "share", "wallet", 3)]);
    assert_eq!(kind(&back), TxKind::Liquidity);
}

#[test]
fn purposes_of_programs() {
    assert_eq!(kind(&base(&[("a", 9, 0)]).call(call(KAMINO))), TxKind::Lend);
    assert_eq!(kind(&base(&[("a", 9, 0), ("share", 0, 8)]).call(call(KAMINO))), TxKind::Lend);
    assert_eq!(kind(&base(&[("a", 9, 0)]).call(call(WORMHOLE))), TxKind::Bridge);
    assert_eq!(kind(&base(&[("a", 0, 9)]).call(call(DISTRIBUTOR))), TxKind::Claim);
    let stake = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE + 77)
        .lamports("stake account", SOL, SOL - 77)
        .call(stake_withdraw("stake account", "wallet", 77));
    assert_eq!((kind(&stake), native(&stake.line("wallet"))), (TxKind::Stake, 77));
    assert_eq!(stake.line("wallet").venue.as_deref(), Some("stake"));
    assert_eq!(STAKE.len(), 43);
}

#[test]
fn a_claim_needs_the_signature_of_the_one_who_claims() {
    let given = Builder::signed_by(&["sender"])
        .lamports("sender", SOL, SOL - FEE)
        .lamports("account", DEPOSIT, DEPOSIT)
        .held("account", &of("a", "wallet"), 0, 5)
        .call(call(DISTRIBUTOR));
    assert_eq!(kind(&given), TxKind::TransferIn);
}

#[test]
fn new_units_and_destroyed_ones() {
    let minted = base(&[("a", 0, 5)]).call(mint_to("a", "own a", "wallet", 5));
    assert_eq!(kind(&minted), TxKind::Mint);
    let burned = base(&[("a", 5, 0)]).call(burn("own a", "a", "wallet", 5));
    assert_eq!(kind(&burned), TxKind::Burn);
    let paid = base(&[("a", 5, 0)]).call(token_transfer("own a", "pool a", "wallet", 5));
    assert_eq!(kind(&paid), TxKind::TransferOut);
    assert_eq!(net(&paid.line("pool")).len(), 1);
    assert_eq!(paid.line("pool").kind, TxKind::TransferIn);
}

#[test]
fn one_unit_of_an_indivisible_token_is_an_nft() {
    let holding = |owner| crate::builder::Holding { decimals: 0, ..of("nft", owner) };
    let builder = Builder::signed_by(&["wallet"])
        .lamports("wallet", SOL, SOL - FEE)
        .lamports("own", DEPOSIT, DEPOSIT)
        .lamports("friends", DEPOSIT, DEPOSIT)
        .held("own", &holding("wallet"), 1, 0)
        .held("friends", &holding("friend"), 0, 1)
        .call(token_transfer("own", "friends", "wallet", 1));
    assert_eq!(kind(&builder), TxKind::Nft);
    assert_eq!(builder.line("friend").kind, TxKind::Nft);
}

#[test]
fn dust_from_a_stranger_is_spam_but_not_what_a_program_pays() {
    let sent = |lamports: u64| {
        Builder::signed_by(&["sender"]).lamports("sender", SOL, SOL - FEE - lamports).lamports(
            "wallet",
            SOL,
            SOL + lamports,
        )
    };
    assert_eq!(kind(&sent(1).call(transfer("sender", "wallet", 1))), TxKind::Spam);
    assert_eq!(kind(&sent(10_000).call(transfer("sender", "wallet", 10_000))), TxKind::Spam);
    assert_eq!(kind(&sent(10_001).call(transfer("sender", "wallet", 10_001))), TxKind::TransferIn);
    let paid = sent(1).call_with(call("some program"), &[transfer("sender", "wallet", 1)]);
    assert_eq!(kind(&paid), TxKind::TransferIn);
}
