//! What holds for any transaction: movements add up, their order does not matter, and damaged input
//! is an answer or an error, never a panic.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use alloy_primitives::{U256, U512};
use pnl_core::{Address, Chain, RawDelta, WalletTransaction};
use proptest::prelude::*;
use serde_json::{Value, json};
use tx_parser::evm::{Network, Transaction};

use crate::common;
use crate::maker::{
    FEE, Maker, WETH, account, asset, internal, transfer, transfer_batch, transfer_item, wrapping,
};

const NAMES: [&str; 5] = ["alice", "bob", "carol", "pool", WETH];
const TOKENS: [&str; 3] = ["a", "b", WETH];

/// What moves in a made-up transaction.
#[derive(Debug, Clone)]
enum Step {
    Units { token: &'static str, from: &'static str, to: &'static str, amount: u64 },
    Single { from: &'static str, to: &'static str, id: u64 },
    Batch { from: &'static str, to: &'static str, items: Vec<(u64, u64)> },
    Wrapped { holder: &'static str, amount: u64, created: bool },
    Coins { from: &'static str, to: &'static str, wei: u64 },
}

impl Step {
    /// Independent of the parser: who gains and who loses how much of what.
    fn effects(&self) -> Vec<(&'static str, String, i128)> {
        let mut effects = Vec::new();
        let mut moved = |from, to, asset: &str, amount: u64| {
            effects.push((from, asset.to_owned(), -i128::from(amount)));
            effects.push((to, asset.to_owned(), i128::from(amount)));
        };
        match self {
            Self::Units { token, from, to, amount } => {
                let id = if *token == WETH { "native".to_owned() } else { asset(token) };
                moved(*from, *to, &id, *amount);
            }
            Self::Single { from, to, id } => moved(*from, *to, &asset(&format!("nft/{id}")), 1),
            Self::Batch { from, to, items } => {
                for (id, amount) in items {
                    moved(*from, *to, &asset(&format!("items/{id}")), *amount);
                }
            }
            Self::Coins { from, to, wei } => moved(*from, *to, "native", *wei),
            Self::Wrapped { holder, amount, created } => {
                let sign = if *created { 1 } else { -1 };
                effects.push((holder, "native".to_owned(), sign * i128::from(*amount)));
            }
        }
        effects
    }

    fn add_to(&self, made: Maker) -> Maker {
        match self {
            Self::Units { token, from, to, amount } => {
                made.log(transfer(token, from, to, U256::from(*amount)))
            }
            Self::Single { from, to, id } => {
                made.log(transfer_item("nft", from, to, U256::from(*id)))
            }
            Self::Batch { from, to, items } => made.log(transfer_batch("items", from, to, items)),
            Self::Wrapped { holder, amount, created } => {
                let event = if *created { "Deposit" } else { "Withdrawal" };
                made.log(wrapping(event, holder, *amount))
            }
            Self::Coins { from, to, wei } => made.internal(internal(from, to, *wei)),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(&NAMES[..]);
    let token = prop::sample::select(&TOKENS[..]);
    prop_oneof![
        (token, name(), name(), any::<u64>()).prop_map(|(token, from, to, amount)| Step::Units {
            token,
            from,
            to,
            amount
        }),
        (name(), name(), 0u64..3).prop_map(|(from, to, id)| Step::Single { from, to, id }),
        (name(), name(), prop::collection::vec((0u64..3, any::<u64>()), 0..4))
            .prop_map(|(from, to, items)| Step::Batch { from, to, items }),
        (name(), any::<u64>(), any::<bool>()).prop_map(|(holder, amount, created)| Step::Wrapped {
            holder,
            amount,
            created
        }),
        (name(), name(), any::<u64>()).prop_map(|(from, to, wei)| Step::Coins { from, to, wei }),
    ]
}

fn made_of(steps: &[Step], value: u64) -> Maker {
    steps.iter().fold(Maker::call("alice", "pool").value(value), |made, step| step.add_to(made))
}

fn net(line: &WalletTransaction) -> BTreeMap<String, i128> {
    common::all_net(line)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn net_and_fee_are_the_sum_of_what_came_and_went(
        steps in prop::collection::vec(step(), 0..14),
        value in any::<u64>(),
    ) {
        let transaction = made_of(&steps, value).decode_on(Chain::Ethereum);
        let mut all = vec![Step::Coins { from: "alice", to: "pool", wei: value }];
        all.extend(steps);
        for name in NAMES {
            let mut want = BTreeMap::new();
            for (_, asset, raw) in all.iter().flat_map(Step::effects).filter(|e| e.0 == name) {
                *want.entry(asset).or_insert(0) += raw;
            }
            want.retain(|_, raw| *raw != 0);
            let line = transaction.view(&Address::from_chain_data(&account(name))).unwrap();
            prop_assert_eq!(net(&line), want, "{}", name);
            prop_assert_eq!(common::fee(&line), if name == "alice" { -FEE } else { 0 });
            prop_assert!(line.unexplained.is_empty() && line.tips.is_zero() && line.rent.is_zero());
        }
        check(&transaction);
    }

    #[test]
    fn order_of_the_logs_and_transfers_does_not_matter(
        (steps, shuffled) in prop::collection::vec(step(), 0..14)
            .prop_flat_map(|steps| (Just(steps.clone()), Just(steps).prop_shuffle())),
    ) {
        let one = made_of(&steps, 5).decode_on(Chain::Ethereum).view_all();
        let two = made_of(&shuffled, 5).decode_on(Chain::Ethereum).view_all();
        prop_assert_eq!(one.len(), two.len());
        for (a, b) in one.iter().zip(&two) {
            prop_assert_eq!(notes(a), notes(b));
            prop_assert_eq!(without_notes(a), without_notes(b));
        }
    }

    #[test]
    fn replaced_values_give_an_answer_or_an_error(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), replacement()), 1..6),
    ) {
        let (network, text) = pick(which);
        let mut recording: Value = serde_json::from_slice(text).unwrap();
        for (place, value) in changes {
            let places = common::places(&recording);
            *recording.pointer_mut(&places[place.index(places.len())]).unwrap() = value;
        }
        exercise(network, &serde_json::to_vec(&recording).unwrap());
    }

    #[test]
    fn repeated_and_removed_parts_give_an_answer_or_an_error(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..6),
    ) {
        let (network, text) = pick(which);
        let mut recording: Value = serde_json::from_slice(text).unwrap();
        for (place, remove) in changes {
            let places = common::places(&recording);
            let Some((parent, member)) = places[place.index(places.len())].rsplit_once('/') else {
                continue;
            };
            match recording.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(member)),
                Value::Array(items) => {
                    let index: usize = member.parse().unwrap();
                    if remove { items.remove(index); } else { items.push(items[index].clone()); }
                }
                _ => {}
            }
        }
        exercise(network, &serde_json::to_vec(&recording).unwrap());
    }

    #[test]
    fn changed_and_cut_bytes_give_an_answer_or_an_error(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (network, text) = pick(which);
        let mut text = text.clone();
        for (place, byte) in changes {
            let place = place.index(text.len());
            text[place] = byte;
        }
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()));
        }
        exercise(network, &text);
    }
}

fn notes(line: &WalletTransaction) -> HashSet<String> {
    line.notes.iter().map(|note| format!("{} {}", note.code, note.detail)).collect()
}

fn without_notes(line: &WalletTransaction) -> WalletTransaction {
    WalletTransaction { notes: Vec::new(), ..line.clone() }
}

/// Recordings to damage: recorded ones of at most 40 kB, or a made-up one where there are none.
static CORPUS: LazyLock<Vec<(Network, Vec<u8>)>> = LazyLock::new(|| {
    let made = Maker::call("alice", "pool")
        .value(3)
        .log(transfer("a", "alice", "pool", U256::from(5)))
        .log(transfer_batch("items", "pool", "alice", &[(1, 2), (3, 4)]))
        .log(wrapping("Deposit", "alice", 3))
        .internal(internal("pool", WETH, 3));
    let mut corpus = vec![(Network::of(Chain::Ethereum).unwrap(), made.bytes())];
    let Some(root) = common::recorded_of("evm") else { return corpus };
    for chain in [Chain::Ethereum, Chain::Base, Chain::BinanceSmartChain] {
        let folder = root.join(format!("{chain}/transactions"));
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let texts = files.iter().map(|file| std::fs::read(file).unwrap());
        let network = Network::of(chain).unwrap();
        corpus.extend(texts.filter(|text| text.len() <= 40_000).map(|text| (network, text)));
    }
    assert!(corpus.len() > 400, "{} recordings", corpus.len());
    corpus
});

fn pick(which: prop::sample::Index) -> (&'static Network, &'static Vec<u8>) {
    let (network, text) = &CORPUS[which.index(CORPUS.len())];
    (network, text)
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(|n| json!(n)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        any::<bool>().prop_map(|b| json!(b)),
        ".{0,40}".prop_map(|text| json!(text)),
        any::<u64>().prop_map(|n| json!(n.to_string())),
        any::<u64>().prop_map(|n| json!(format!("{n:#x}"))),
        "0x[0-9a-f]{40}".prop_map(|text| json!(text)),
        "0x[0-9a-f]{64}".prop_map(|text| json!(text)),
        "0x(00){0,12}[0-9a-f]{0,200}".prop_map(|text| json!(text)),
        Just(json!(format!("0x{}", "f".repeat(64)))),
        Just(json!([])),
        Just(json!({})),
        prop::collection::vec("0x[0-9a-f]{64}", 0..6).prop_map(|list| json!(list)),
    ]
}

fn exercise(network: &Network, text: &[u8]) {
    if let Ok(transaction) = Transaction::decode(text, network) {
        check(&transaction);
    }
}

/// Whatever was accepted: every line can be written and read, is the same from every side, and what
/// one wallet gained of a token others lost.
fn check(transaction: &Transaction) {
    let lines = transaction.view_all();
    let mut gained: BTreeMap<&str, (U512, U512)> = BTreeMap::new();
    for line in &lines {
        let text = serde_json::to_vec(line).unwrap();
        assert_eq!(&serde_json::from_slice::<WalletTransaction>(&text).unwrap(), line);
        assert_eq!(line, &transaction.view(&line.wallet).unwrap());
        assert!(line.net.windows(2).all(|pair| pair[0].asset < pair[1].asset));
        assert!(line.net.iter().all(|change| !change.raw.is_zero()));
        assert!(line.fee.as_ref().is_none_or(|fee| fee.raw <= RawDelta::ZERO));
        for change in &line.net {
            let sums = gained.entry(change.asset.as_str()).or_default();
            let size = U512::from(change.raw.magnitude().to_u256());
            if change.raw.is_negative() { sums.1 += size } else { sums.0 += size }
        }
    }
    let is_whole =
        |line: &WalletTransaction| !line.notes.iter().any(|note| note.code == "amount_too_large");
    if lines.iter().all(is_whole) {
        // The coin enters and leaves its wrapping contract, and old tokens are made without a source.
        let conserved = gained.iter().filter(|(asset, _)| !UNBALANCED.contains(asset));
        for (asset, (came, went)) in conserved {
            assert_eq!(came, went, "{asset}");
        }
    }
}

const UNBALANCED: [&str; 4] = [
    "native",
    "0x89d24a6b4ccb1b6faa2625fe562bdd9a23260359",
    "0xf53ad2c6851052a81b42133467480961b2321c09",
    "0x9f8f72aa9304c8b593d555f12ef6589cc3a579a2",
];
