//! Whatever the bytes are: an answer or an error, never a panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "hand_made/builder.rs"]
#[allow(dead_code, reason = "this binary uses a part of it")]
mod builder;
mod common;
#[path = "hand_made/instructions.rs"]
#[allow(dead_code, reason = "this binary uses a part of it")]
mod instructions;

use builder::{Builder, DEPOSIT, Instruction, TOKEN, WSOL, key, of, of_nobody};
use instructions::{
    close, create, create_associated, initialize_account, mint_to, set_owner, stake_withdraw,
    transfer, transfer_checked,
};
use pnl_core::Address;
use proptest::prelude::*;
use serde_json::{Value, json};
use tx_parser::solana::Transaction;

/// Every kind of member that is looked at, in both encodings.
fn recordings() -> [Value; 2] {
    let builder = Builder::signed_by(&["wallet", "second"])
        .lamports("wallet", 9_000_000_000, 8_000_000_000)
        .lamports("account", DEPOSIT, 0)
        .lamports("position", 3_000_000, 0)
        .lamports("96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5", 1, 2)
        .held("pool", &of("mint", "maker"), 5, 4)
        .held("own", &of_nobody("mint"), 5, 6)
        .held_before("account", &of(WSOL, "wallet"), 7)
        .call(transfer("wallet", "96gYZGLnJYVFmbjzopPSU6QiEV5fGqZNyN9nmNhvrZU5", 1))
        .call_with(
            create_associated("wallet", "new", "wallet", "mint"),
            &[
                create("wallet", "new", DEPOSIT, 165, TOKEN),
                initialize_account(TOKEN, "new", "mint", "wallet"),
            ],
        )
        .call_with(
            Instruction::new("JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4", &["pool"], &[1; 9]),
            &[transfer_checked(TOKEN, "own", "mint", "pool", "wallet", 1)],
        )
        .call(mint_to("mint", "own", "wallet", 2))
        .call(set_owner("own", "wallet", "second"))
        .call(stake_withdraw("stake", "wallet", 77))
        .call(Instruction::new(TOKEN, &["account", "pool"], &[255, 2, 1, 17]))
        .call(close(TOKEN, "account", "wallet", "wallet"));
    [builder.json(), builder.json_parsed()]
}

/// Looks at a recording from everywhere; every line must add up and serialize.
fn exercise(text: &[u8]) {
    let Ok(transaction) = Transaction::decode(text) else { return };
    for line in transaction.view_all() {
        serde_json::to_vec(&line).unwrap();
    }
    for wallet in ["wallet", "second", "maker", "nobody", "pool"] {
        let wallet = Address::from_chain_data(&key(wallet));
        serde_json::to_vec(&transaction.view(&wallet).unwrap()).unwrap();
        transaction.discover(&wallet).unwrap();
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(|n| json!(n)),
        (0u64..300).prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<bool>().prop_map(|b| json!(b)),
        "[1-9A-HJ-NP-Za-km-z]{0,90}".prop_map(|text| json!(text)),
        ".{0,40}".prop_map(|text| json!(text)),
        any::<u64>().prop_map(|n| json!(n.to_string())),
        prop::sample::select(vec!["wallet", "account", "pool", "mint", WSOL, TOKEN])
            .prop_map(|name| json!(key(name))),
        Just(json!([])),
        Just(json!({})),
        prop::collection::vec(0u64..40, 0..30).prop_map(|list| json!(list)),
        Just(json!({"parsed": {"type": "transfer", "info": {"lamports": u64::MAX}}})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_recordings_with_some_values_replaced(
        which in 0usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), replacement()), 1..6),
    ) {
        let mut recording = recordings()[which].clone();
        for (place, value) in changes {
            let places = common::places(&recording);
            *recording.pointer_mut(&places[place.index(places.len())]).unwrap() = value;
        }
        exercise(&serde_json::to_vec(&recording).unwrap());
    }

    #[test]
    fn on_recordings_with_parts_repeated_or_removed(
        which in 0usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..6),
    ) {
        let mut recording = recordings()[which].clone();
        for (place, remove) in changes {
            let places = common::places(&recording);
            let place = &places[place.index(places.len())];
            let Some((parent, member)) = place.rsplit_once('/') else { continue };
            match recording.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(member)),
                Value::Array(items) => {
                    let index: usize = member.parse().unwrap();
                    if remove { items.remove(index); } else { items.push(items[index].clone()); }
                }
                _ => {}
            }
        }
        exercise(&serde_json::to_vec(&recording).unwrap());
    }

    #[test]
    fn on_bytes_changed_and_cut(
        which in 0usize..2,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut text = serde_json::to_vec(&recordings()[which]).unwrap();
        for (place, byte) in changes {
            let place = place.index(text.len());
            text[place] = byte;
        }
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        exercise(&text);
    }

    #[test]
    fn on_instruction_data_of_any_bytes(
        program in prop::sample::select(vec![
            "11111111111111111111111111111111", TOKEN, builder::TOKEN_2022, builder::ASSOCIATED,
            builder::STAKE, builder::LOOKUP_TABLE, "Vote111111111111111111111111111111111111111",
        ]),
        tag in 0u8..60,
        rest in prop::collection::vec(any::<u8>(), 0..90),
        accounts in prop::collection::vec(prop::sample::select(vec!["wallet", "account", "pool", "mint", "own"]), 0..7),
    ) {
        let mut data = vec![tag];
        data.extend(rest);
        let builder = Builder::signed_by(&["wallet"])
            .lamports("wallet", 5_000, 1)
            .lamports("account", DEPOSIT, 3)
            .held("account", &of(WSOL, "wallet"), 1, u64::MAX)
            .held("own", &of("mint", "wallet"), u64::MAX, 0)
            .call(Instruction::new(program, &accounts, &data))
            .call(Instruction::new(program, &accounts, &data));
        exercise(&serde_json::to_vec(&builder.json()).unwrap());
    }
}

#[test]
fn on_recorded_transactions_cut_anywhere() {
    let Some(root) = common::recorded() else { return };
    let mut files: Vec<_> = std::fs::read_dir(root.join("transactions_alt_encoding"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read(&file).unwrap();
        for cut in (0..text.len()).step_by(997) {
            assert!(Transaction::decode(&text[..cut]).is_err(), "{} at {cut}", file.display());
        }
        exercise(&text);
    }
}
