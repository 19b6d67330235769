//! Orders, pools, loans, bridges, stake.

use pnl_core::TxKind;

use crate::{HELP, NOTHING, Split, TOKEN_ACCOUNT, USDC, assert_split, devnet, mainnet};

/// The order account has 372 bytes: (128 + 372) x 6,960 = 3,480,000; its USDC account 2,039,280 more.
/// The 2,074,080 of the wallet's own new account stay the wallet's.
#[test]
fn a_limit_order_is_opened_with_two_deposits() {
    let signature =
        "4aBP4353YQuQnSgX5PxH2upWr3HsS3163RV4NgCb1yTcoHz5pcvgnWxuaicwKkopXKrz9EKff7aAy3jWpbixt5Zn";
    let deposits = (128 + 372) * 6_960 + TOKEN_ACCOUNT;
    assert_eq!(6_497_518_895i128 - 6_505_166_042, -53_787 - deposits - 2_074_080);
    let Some(line) = mainnet(signature, "4abvSWugzSRhpAk4rpvdSruFAFoNG1D1JTStmzpGt7xA") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Order,
            venue: Some("jupiter_limit_v2"),
            net: &[(USDC, -2_390_000_000)],
            fee: Some(-53_787),
            rent: -deposits,
            ..NOTHING
        },
    );
}

/// The same order, filled by a keeper: the owner signs nothing, gets 999 tokens and both deposits
/// back (the order account is emptied by its program, without any instruction).
#[test]
fn a_limit_order_is_filled_by_a_keeper() {
    let signature =
        "k2eGRDNqy6mYEXTGp6XT3XvUjh8YEJrn2ozs2bzAXZXJYzpDc9EuVuo2fkQMaHRxyi2DTsKTBTnrYRU9cRh72Mo";
    assert_eq!(6_503_038_175i128 - 6_497_518_895, 3_480_000 + TOKEN_ACCOUNT);
    let Some(owner) = mainnet(signature, "4abvSWugzSRhpAk4rpvdSruFAFoNG1D1JTStmzpGt7xA") else {
        return;
    };
    assert!(!owner.signed);
    assert_split(
        &owner,
        &Split {
            kind: TxKind::Order,
            venue: Some("jupiter_limit_v2"),
            net: &[(HELP, 999_000_000_000)],
            rent: 3_480_000 + TOKEN_ACCOUNT,
            ..NOTHING
        },
    );
    // The keeper takes 2,390 USDC, gets 1,000.619133476 tokens for them, passes 999 + 1 on and keeps
    // the difference. Its new wrapped account costs it nothing but a deposit of its own.
    let keeper = mainnet(signature, "j1oAbxxiDUWvoHxEDhWE7THLjEkDQW2cSHYn2vttxTF").unwrap();
    assert_eq!(79_168_890_444i128 - 79_170_948_590, -18_866 - TOKEN_ACCOUNT);
    assert_split(
        &keeper,
        &Split {
            kind: TxKind::Swap,
            venue: Some("jupiter_limit_v2"),
            net: &[(HELP, 1_000_619_133_476 - 999_000_000_000 - 1_000_000_000)],
            fee: Some(-18_866),
            ..NOTHING
        },
    );
}

/// A recurring order ends: its account of 289 bytes and its two token accounts are closed.
#[test]
fn a_finished_order_gives_three_deposits_back() {
    let signature =
        "F47c3CizgWhK8RsTerwQLu7XbmoLzSxHC5F17A1qf5upQu1MUJJyzuq2GyLoEDy6xGKdLVinPNo7idXCiFBbor4";
    let deposits = (128 + 289) * 6_960 + 2 * TOKEN_ACCOUNT;
    assert_eq!(248_519_638 - 241_538_758, deposits);
    let Some(line) = mainnet(signature, "E4R1iXBJh8dN869akjGskM8DYkawncMRmtUsuYcTnM5S") else {
        return;
    };
    let want = Split { kind: TxKind::Order, venue: Some("jupiter_dca"), rent: deposits, ..NOTHING };
    assert_split(&line, &want);
}

/// A stake account of 92,204,933,944 is emptied: (128 + 200) x 6,960 of it are its deposit.
#[test]
fn a_stake_account_is_withdrawn_whole() {
    let signature =
        "4j2wEyeo2gFrV4xUBVM5YukW1ZW2976osDofBJfUUTLbHKEkiTo7WtCdmLQa33Eo45xCs4M3XcZeSSMST2NtPrhM";
    assert_eq!(92_246_252_221i128 - 41_328_277, 92_204_933_944 - 10_000);
    let Some(line) = mainnet(signature, "npN8zCyQGPaAFNk95zJs2SAQ8GSjGcfhRDo6eiN57a9") else {
        return;
    };
    let deposit = (128 + 200) * 6_960;
    assert_split(
        &line,
        &Split {
            kind: TxKind::Stake,
            venue: Some("stake"),
            net: &[("native", 92_204_933_944 - deposit)],
            fee: Some(-10_000),
            rent: deposit,
            ..NOTHING
        },
    );
}

/// Two stake accounts become one: 22,579,717,460 go from stake to stake, past the wallet.
#[test]
fn merging_stake_accounts_costs_the_fee_only() {
    let signature =
        "k78n39QMtVDUFHDFGgyZRvHqxArVVhqP7ZhD4RjrYyjaCvNyXPwnWNg6ofYXMpzgXDAVAw7ghnktjduSLhqqw8V";
    let Some(line) = mainnet(signature, "36kaqVpcbSSJ55rP48uGQWtQs3eNaa6SbX8qbhPxHGJf") else {
        return;
    };
    let want = Split { kind: TxKind::FeeOnly, venue: Some("stake"), fee: Some(-5_000), ..NOTHING };
    assert_split(&line, &want);
}

#[test]
fn a_stake_account_is_created() {
    let signature =
        "41JCYjfhA6UJroUeB3rncowPiw6t8VpnZszgri3Qg1kBpFizyMQRhqQbCscNK3TcpxfE5RUAPMgLo5JdS4fDxYFm";
    assert_eq!(18_861_628_765i128 - 20_055_235_792, -10_000 - 1_193_597_027);
    let Some(line) = devnet(signature, "5yatJinwXggc9vNGdhXPJpRgrXY3irk5YX3fZw2hL6ij") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Stake,
            venue: Some("stake"),
            net: &[("native", -(1_193_597_027 - 2_282_880))],
            fee: Some(-10_000),
            rent: -2_282_880,
            ..NOTHING
        },
    );
}

/// Both tokens into a new position of 8,120 bytes.
#[test]
fn liquidity_is_added_with_a_position() {
    let signature =
        "4wpo4FkAb4HJvWFZe91cKn1Y7NwnB6cp8G8fcXwLEPc8dw8YixKZAXH2nGgVQgQgJKvBkvapZ3ka7SfEybaVxtwd";
    let position = (128 + 8_120) * 6_960;
    assert_eq!(1_061_803_711 - 1_119_220_519, -10_728 - position);
    let Some(line) = mainnet(signature, "Ecfbk5VC6Xbp6qC2V28aNkBChPjune5tZdD8wm7drg6B") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Liquidity,
            venue: Some("meteora_dlmm"),
            net: &[
                ("Bo9jh3wsmcC2AjakLWzNmKJ3SgtZmXEcSaW7L2FAvUsU", 38 - 88_899_450_116),
                (USDC, 2 - 30_511_487_558),
            ],
            fee: Some(-10_728),
            rent: -position,
            ..NOTHING
        },
    );
}

/// Liquidity (150,000,448 wrapped) and fees (543,905 wrapped, 4,014,014 tokens) come back, the
/// position is closed by its program, and a tip is paid.
#[test]
fn liquidity_is_removed_and_the_position_closed() {
    let signature =
        "TVaYDjSoJfg1T9MFYLxRyumX7iyPiA3oAWgizT2LKoVCNzWyj7RYpuQ6ipNKf9xaybYJks7qeCjXtxfA9JEMU1n";
    let (position, wrapped) = (57_406_080, 150_000_448 + 543_905);
    assert_eq!(688_785_194 - 480_865_511, -5_000 - 25_750 + position + wrapped);
    let Some(line) = mainnet(signature, "AyX1K75rVy2S3YiQLJpYPJgWtBd1bpWuDNsXgPrqEZyj") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Liquidity,
            venue: Some("meteora_dlmm"),
            net: &[
                ("native", wrapped),
                ("Ce2gx9KGXJ6C9Mp5b5x1sn9Mg87JwEbrQby4Zqo3pump", 4_014_014),
            ],
            fee: Some(-5_000),
            tips: -25_750,
            rent: position,
        },
    );
}

/// A loan is paid back with 42.000000001 SOL, wrapped on the way into an account that stays, and the
/// collateral of 40 tokens comes back.
#[test]
fn a_loan_is_paid_back_and_the_collateral_returned() {
    let signature =
        "2VvCxb438uarJi9duWbCKegGNEzg2exiciNezWFD56KVNvDWxe16tmoBZsqX5nKFhcAsgFuBQUaEQGJvWjTfEJJd";
    assert_eq!(
        11_651_539_798i128 - 53_653_684_079,
        -105_000 - TOKEN_ACCOUNT - 42_000_000_001,
        "the deposit of the own wrapped account is still the wallet's"
    );
    let Some(line) = mainnet(signature, "HXdEpiutwf6ri5NaTvY1Tfx7JfzTA8MkBHyV9vCn3XAC") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Lend,
            venue: Some("jupiter_lend"),
            net: &[
                ("native", -42_000_000_001),
                ("jupSoLaHXQiZZTSfEWMTRRgpnyFm8f6sZdosWBjx93v", 40_000_000_000),
            ],
            fee: Some(-105_000),
            ..NOTHING
        },
    );
}

/// The token burned here is minted on the other chain; the message account of 292 bytes is rent.
#[test]
fn tokens_leave_over_a_bridge() {
    let signature =
        "3UZLAda9fz1oxxMc7Z4sPM5TyyJ7W2rEGF2tPnfWb9dY6swYrKkKi4GTF7Ps312nZXXGTpFzDPRV7hdvi3TYFmoL";
    let message = (128 + 292) * 6_960;
    assert_eq!(44_609_455 - 47_547_259, -14_604 - message);
    let Some(line) = mainnet(signature, "3DBoK4xXbff387iNkVmJt18ZXbQHjaBUXR9Xwy7KJdPM") else {
        return;
    };
    assert_split(
        &line,
        &Split {
            kind: TxKind::Bridge,
            venue: Some("cctp_token_messenger"),
            net: &[(USDC, -30_000_000_000)],
            fee: Some(-14_604),
            rent: -message,
            ..NOTHING
        },
    );
}
