//! Swaps, routes, platform fees.

use pnl_core::TxKind;

use crate::common::integer;
use crate::{NOTHING, Split, TOKEN_ACCOUNT, USDC, assert_split, mainnet};

/// 0.0396 SOL for USDC. The wallet sends 41,639,280 to a fresh address, which Jupiter turns into a
/// wrapped account (2,039,280 deposit + 39,600,000), pays the pool out of it and closes it.
#[test]
fn a_swap_through_a_wrapped_account_that_lives_inside_only() {
    let wallet = "3qAnC3L6xDoTbaL74jLKzQNyhRJc2YJGL7Uu5fxiu9W6";
    let signature =
        "5SPdWfQrAf8xky2CU9nycbc7MYEcJvmuKYwG2vUJ5BEfzSFK38RTvkqMHA5TuZV5fpaw65LoKVfGfKWmVTi71DHr";
    // Wallet 62,642,845 -> 23,034,631: the fee and what the pool got.
    assert_eq!(23_034_631 - 62_642_845, -8_214 - 39_600_000);
    let Some(line) = mainnet(signature, wallet) else { return };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Swap,
            venue: Some("jupiter_v6"),
            // USDC account 26,046,462 -> 31,347,112.
            net: &[("native", -39_600_000), (USDC, 31_347_112 - 26_046_462)],
            fee: Some(-8_214),
            ..NOTHING
        },
    );
}

/// Token-2022 with a transfer fee of 4%: 358,800 leave, 344,448 arrive, 14,352 are withheld. The
/// 15,742 wrapped lamports in the middle pass through the router's own account.
#[test]
fn a_route_of_two_hops_over_a_token_that_taxes_transfers() {
    let signature =
        "2bhr1FWqeL28zH1BJR1h3PxkVorh5GD3koPUgzKMKFtxUKK5k3R3UraU8YRoB5yxKDi5AZafp3Xf74AXTf9LDqWc";
    let taxed = "7atgF8KQo4wJrD5ATGX7t1V2zVvykPJbFfNeVf1icFv1";
    // 14,250,659 -> 8,094,379: the fee and the deposit of its new account, which stays its own.
    assert_eq!(8_094_379 - 14_250_659, -4_117_000 - TOKEN_ACCOUNT);
    let Some(line) = mainnet(signature, "E8oVrS4Pk74ouemj4t6grJ6w5Ah7SFLYa8VoRtvtWpnw") else {
        return;
    };
    let want = Split {
        kind: TxKind::Swap,
        venue: Some("okx_dex"),
        net: &[(taxed, -358_800), ("ED5nyyWEzpPPiWimP8vYm7sD7TD3LAt3Q3gRTWHzPJBY", 74_619)],
        fee: Some(-4_117_000),
        ..NOTHING
    };
    assert_split(&line, &want);
    let pool = mainnet(signature, "GpMZbSM2GgvTKHJirzeGfMFoaZ8UR2X7F4v8vHTvxFbL").unwrap();
    let received = 358_800 - 358_800 * 4 / 100;
    let want = Split {
        kind: TxKind::Swap,
        venue: Some("okx_dex"),
        net: &[("native", -15_742), (taxed, received)],
        ..NOTHING
    };
    assert_split(&pool, &want);
}

/// Sold for SOL through three venues in a row; of the 3,947,073 that arrive 33,550 go on to the
/// partner whose site was used.
#[test]
fn a_route_of_three_hops_with_a_partner_fee_in_the_token_bought() {
    let signature =
        "5pcpYhqJyyHHxVaa9mvchML6Njro5Chxv7EFjHPSwxVpdyGAt6uVhd1xUBmXe7ztiuhS1iHFgXm67nwr7mem5itu";
    let bought = "2b1kV6DkPAnxd5ixfnxCpjxmKwqjjaYmCZfHsFu24GXo";
    // The wrapped account takes its deposit and 27,309,941, pays those out and gives the deposit back.
    assert_eq!(2_895_000 - 30_309_941, -105_000 - 27_309_941);
    let Some(line) = mainnet(signature, "GH6Sn8jt4CbQgHxqpTm3MbpVSGR94uSEhChwm8vmphkP") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Swap,
            venue: Some("jupiter_v6"),
            net: &[("native", -27_309_941), (bought, 3_947_073 - 33_550)],
            fee: Some(-105_000),
            ..NOTHING
        },
    );
    let [fee] = line.service_fees.as_slice() else { panic!("{:?}", line.service_fees) };
    assert_eq!((fee.asset.as_str(), integer(fee.raw)), (bought, -33_550));
    assert_eq!(fee.to, "jupiter_referral");
}

/// A recording of 2022 without the row of the account that ends with zero tokens: its 2,039,280
/// lamports are there before and after, so nothing of them moved.
#[test]
fn a_sale_of_everything_whose_empty_account_has_no_row() {
    let signature =
        "4H6uGfHviqT87Au64fv9t7AQHYd75SZPa7NMsX2fZixdcwZgpPB11b4cQq65JVM4EzppLmNPt2d8cGeFY9ys1dBH";
    assert_eq!(27_512_797_459i128 - 27_383_701_436, 129_112_223 - 16_200);
    let Some(line) = mainnet(signature, "DxCsN4jatqeTW2pj6fR55TrNqoCcoo8UNAy8xosheeVf") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Swap,
            venue: Some("jupiter_v2"),
            net: &[
                ("native", 129_112_223),
                ("Fishy64jCaa3ooqXw7BHtKvYD8BTkSyAPh6RNE3xZpcN", -50_000_000),
            ],
            fee: Some(-16_200),
            ..NOTHING
        },
    );
}

/// The wallet's own lamports change by fee and tip alone; the proceeds are in its wrapped account,
/// 10,556,639,012,749 -> 10,559,283,621,565.
#[test]
fn a_sale_into_the_own_wrapped_account_with_a_jito_tip() {
    let signature =
        "25ug3Nj8wb8HHFWRcTeuQdJCQ9mxjwoHxdQsteQt9AFE6avzorPKtN5w7FCzFTMhrEhyDXSRWWAat8a9A1CAdVM6";
    assert_eq!(1_125_484_860_247i128 - 1_125_484_978_973, -5_000 - 113_726);
    let Some(line) = mainnet(signature, "CreQJ2t94QK5dsxUZGXfPJ8Nx7wA9LHr5chxjSMkbNft") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Swap,
            venue: Some("raydium_amm_v4"),
            net: &[
                ("native", 10_559_283_621_565 - 10_556_639_012_749),
                ("6AJcP7wuLwmRYLBNbi825wgguaPsWzPBEHcHndpRpump", -7_874_015_748),
            ],
            fee: Some(-5_000),
            tips: -113_726,
            ..NOTHING
        },
    );
}

/// 1 SOL at a trading terminal: 0.99 go to the pool, 0.01 to the terminal.
#[test]
fn a_platform_fee_stays_in_net_and_is_named() {
    let signature =
        "4ak4TKacuWuG8CGwE3Fn9ywoqdAkw5GbrbjTyV4EP4QrAB6JgDPGUKGDWWYnvaqdUXdqcizxQLvrrufMLJ82r8Py";
    assert_eq!(56_014_393_992i128 - 57_024_398_992, -10_005_000 - 990_000_000 - 10_000_000);
    let Some(line) = mainnet(signature, "5jMW1hzAKZSYbLvpHf6UviQ8PoSMmdh8LY8ZYPyb94ve") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Swap,
            venue: Some("raydium_amm_v4"),
            net: &[
                ("native", -990_000_000 - 10_000_000),
                (
                    "8rCXHQ1DeUgJVGYQocCJbuswvjkMzuWV7fMJb4nPowmc",
                    2_396_084_767_631_073 - 960_001_235_623_644,
                ),
            ],
            fee: Some(-10_005_000),
            ..NOTHING
        },
    );
    let [fee] = line.service_fees.as_slice() else { panic!("{:?}", line.service_fees) };
    assert_eq!((integer(fee.raw), fee.to.as_str()), (-10_000_000, "photon"));
}

/// Four accounts are paid: the mint (82 bytes), the curve (49), its token account and the metadata
/// (607), which also takes a fee of 10,000,000 in lamports.
#[test]
fn a_token_is_created_and_minted_to_its_curve() {
    let signature =
        "2nebvBA9wsBgxGNLoynwLySNxKQrrty2ozfA6ziFkX2koMrFHt6o9yqmLe1Jy8W2i67E4BnxSLb7zTmc8CwC6j8M";
    let metadata = (128 + 607) * 6_960;
    assert_eq!(15_115_600 - metadata, 10_000_000);
    let deposits = 1_461_600 + 1_231_920 + TOKEN_ACCOUNT + metadata;
    assert_eq!(1_318_618_310 - 1_338_576_710, -110_000 - deposits - 10_000_000);
    let Some(creator) = mainnet(signature, "FiYwf895W6ntoitNvhVwBLS4uwKZmMhsxiQmYY44488U") else {
        return;
    };
    assert_split(
        &creator,
        &Split {
            kind: TxKind::Swap,
            venue: Some("pumpfun"),
            net: &[("native", -10_000_000)],
            fee: Some(-110_000),
            rent: -deposits,
            ..NOTHING
        },
    );
    // The curve receives the supply; its own lamports and those of its account are deposits.
    let curve = mainnet(signature, "6qK8Cazc6dqMSCfgN455J7aw1hHgknb6PeY8gjkAL4BE").unwrap();
    let mint = "7F7TeMsGutc2YpxeH7U3PiFLwG2FygN2jMLeDKAXNbwu";
    assert_split(
        &curve,
        &Split {
            kind: TxKind::TransferIn,
            venue: Some("pumpfun"),
            net: &[(mint, 1_000_000_000_000_000)],
            rent: 1_231_920 + TOKEN_ACCOUNT,
            ..NOTHING
        },
    );
}

/// The recording lists the transfers of both hops, but the second one broke the price limit and
/// all was undone.
#[test]
fn a_failed_swap_costs_the_fee() {
    let signature =
        "55Dmc1EeLd7jQNRwBUgVnsRbRNwmGKPBmVwSeQXf8d1vFzQL6dDo1EqESywXpLMxfarLvzDyGaemGxqHL2TLVov1";
    let Some(line) = mainnet(signature, "ALNRkS27Gg11jsAuur2z3hXgvH8C5fUJDse6i1F5PG6t") else {
        return;
    };
    assert_eq!(3_342_600_347i128 - 3_342_606_313, -5_966);
    assert_split(&line, &Split { kind: TxKind::FeeOnly, fee: Some(-5_966), ..NOTHING });
}

/// Four wallets buy in one transaction; the first pays the fee of all.
#[test]
fn four_signers_buy_together() {
    let signature =
        "JBnrBbgqh9jRUkUD68GdwBWoxWyz8SqEuM4eYqR6cyMMofFD43XQKjWBMHvRanPuzSU9UC8CFBQH1brAmvjxZpA";
    let token = "ED5nyyWEzpPPiWimP8vYm7sD7TD3LAt3Q3gRTWHzPJBY";
    // (wallet, after, tokens, to the curve, to the launchpad, fee)
    let buyers = [
        (
            "Gh6D6DZcASQLc2XoLpctT74KbRr4nrHF8wNptweckHoA",
            414_295_312,
            12_373_970_345_963,
            386_100_226,
            3_861_002,
            Some(20_000),
        ),
        (
            "7SPkzf8DSxdemSKMEEKquRKEYrdDjcuHaQwac5nvnB4b",
            413_587_565,
            12_100_159_018_198,
            386_820_768,
            3_868_207,
            None,
        ),
        (
            "GdCFP1doq784rQTHJDuvpLchVWoMtJwdAM8MQTCHWTuz",
            406_544_322,
            12_023_935_360_031,
            393_794_276,
            3_937_942,
            None,
        ),
        (
            "8rL9duqqeBRzZZyiz77xgfzDUdbR99TPjmVk5D1LNHuL",
            396_000_111,
            12_044_860_698_416,
            404_234_089,
            4_042_340,
            None,
        ),
    ];
    for (wallet, after, tokens, curve, launchpad, fee) in buyers {
        let paid = curve + launchpad;
        assert_eq!(after - 806_315_820, -paid - TOKEN_ACCOUNT - fee.unwrap_or(0));
        let Some(line) = mainnet(signature, wallet) else { return };
        assert_split(
            &line,
            &Split {
                kind: TxKind::Swap,
                venue: Some("pumpfun"),
                net: &[("native", -paid), (token, tokens)],
                fee: fee.map(|fee| -fee),
                ..NOTHING
            },
        );
        assert_eq!(integer(line.service_fees[0].raw), -launchpad);
    }
}
