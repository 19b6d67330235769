//! Tokens: standards, old ones, false ones.

use alloy_primitives::U256;
use pnl_core::{AssetId, Chain, TxKind};
use serde_json::json;

use crate::maker::{
    Maker, account, log, padded, topic, transfer, transfer_batch, transfer_item, word, words,
};
use crate::{changes, codes, devnet, net, recorded, sum};

fn units(amount: u64) -> U256 {
    U256::from(amount)
}

#[test]
fn fee_on_transfer_is_the_difference_of_the_sums() {
    // 4671.83 to the pool and 47.19 burnt, in two logs.
    let hash = "0x260538961f3f2e17a43d26732f1105f739f9cf79622a3df8986c279c6d69a450";
    let wallet = "0x7264a62ae2f2bbe5fe003f29108afb3c3da0bc16";
    let Some(line) = recorded(Chain::Base, hash, wallet) else { return };
    let token = "0x74ccbe53f77b08632ce0cb91d3a545bf6b8e0979";
    let want = [("native", 70_849_955_500_013_335), (token, -4_719_017_300_893_053_647_294)];
    assert_eq!((net(&line), line.kind), (changes(&want), TxKind::Swap));
    let hash = "0x9f1df79a91ae102c6fcbea7dcd9d84d02cb46efbb70fa28afaffffe16e8a1457";
    let line = devnet(hash, "0xdf3e18d64bc6a983f673ab319ccae4f1a57c7097").unwrap();
    let token = "0xcf7ed3acca5a467e9e704c703e8d87f634fb0fc9";
    let want = [("native", -495_300_000_000_000_000), (token, 59_209_286_753_375_599_765_600)];
    assert_eq!(net(&line), changes(&want));
}

#[test]
fn rebasing_token_counts_by_its_logs() {
    // The balance differs by a wei from what the log says; only balances tell.
    let hash = "0x23a3ee601475424e91bdc0999a780afe57bf37cbcce6d1c09a4dfaaae1765451";
    let wallet = "0x4c49d4bd6a571827b4a556a0e1e3071da6231b9d";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    let steth = "0xae7ab96520de3a18e5e111b5eaab095312d7fe84";
    let want = [("native", -1_121_373_970_000_000_000), (steth, 1_121_373_969_999_999_999)];
    assert_eq!((net(&line), line.venue.as_deref()), (changes(&want), Some("lido")));
    let hash = "0xfaed3ee1dee4d791ea51d86ac67f2dfa8e9087a224ee122307cdfe25a28f7ef2";
    let holder = devnet(hash, "0xbcd4042de499d14e55001ccbb24a551f3b954096").unwrap();
    assert_eq!((holder.kind, holder.net.len()), (TxKind::None, 0));
}

#[test]
fn zero_value_poisoning_is_noted_and_moves_nothing() {
    let hash = "0xb45ef1a202a8d9e983cf59129d28f79057969bb822f62e4b7d9f1ac8853d23ed";
    let victim = "0x0b3f419ef5cdb3e1b626d47825c7c0812ebb2331";
    let Some(line) = recorded(Chain::Ethereum, hash, victim) else { return };
    assert!(line.net.is_empty() && line.fee.is_none());
    assert_eq!(line.kind, TxKind::Spam);
    assert!(codes(&line).iter().all(|code| *code == "zero_value_transfer"));
    assert!(line.notes.iter().any(|note| note.detail.contains(victim)), "{:?}", line.notes);
    let hash = "0x5ebfe65076582e0643ad007b1e429fca5fc109f59c6af237ae17f6cec92aa09e";
    let line = devnet(hash, "0xbcd4042de499d14e55001ccbb24a551f3b954096").unwrap();
    assert_eq!((line.kind, codes(&line)), (TxKind::Spam, vec!["zero_value_transfer"]));
    // Who sends it knows of it.
    let made = Maker::call("alice", "a").log(transfer("a", "alice", "bob", U256::ZERO));
    assert!(made.view("alice").notes.is_empty());
    assert_eq!(made.decode_on(Chain::Ethereum).view_all().len(), 1);
    // A long list of them is cut.
    let mut made = Maker::call("mallory", "a");
    for _ in 0..50 {
        made = made.log(transfer("a", "alice", "bob", U256::ZERO));
    }
    let notes = made.view("alice").notes;
    assert_eq!(notes.last().unwrap().detail, "and 42 more");
    assert_eq!(notes.len(), 9);
}

#[test]
fn fake_transfer_event_is_a_movement_that_nobody_signed() {
    // A transaction cannot show that a log lies; the balances of its contract do.
    let hash = "0xbfff16a4185201198403c39ec22bf868c0aba1d5ef50600d01bda1cc632050c3";
    let Some(line) = devnet(hash, "0xbcd4042de499d14e55001ccbb24a551f3b954096") else { return };
    let poison = "0x5fc8d32690cc91d4c39d9d3abcbd16989f875707";
    assert_eq!(net(&line), changes(&[(poison, -1_000_000_000)]));
    assert_eq!((line.kind, line.signed), (TxKind::TransferOut, false));
}

#[test]
fn spam_airdrop_is_an_unsolicited_receipt_without_decimals() {
    let mut made = Maker::call("spammer", "token");
    for receiver in ["alice", "bob", "carol"] {
        made = made.log(transfer("token", "spammer", receiver, units(1_000)));
    }
    let line = made.view("alice");
    assert_eq!((line.kind, line.signed, line.exchange), (TxKind::TransferIn, false, false));
    assert_eq!(line.net[0].decimals, None);
}

#[test]
fn number_of_topics_tells_an_id_from_an_amount() {
    let id = U256::MAX;
    let made = Maker::call("alice", "market").log(transfer_item("nft", "bob", "alice", id));
    let line = made.view("alice");
    let asset = format!("{}/{id}", crate::maker::account("nft"));
    assert_eq!(line.net[0].asset.as_str(), asset);
    assert_eq!((line.net[0].raw.to_string(), line.net[0].decimals), ("1".to_owned(), Some(0)));
    assert_eq!(line.kind, TxKind::Nft);
    // Three topics are an amount, and so is the third argument of an old log without any.
    let amount = Maker::call("alice", "a").log(transfer("a", "bob", "alice", units(9)));
    assert_eq!(net(&amount.view("alice")), changes(&[("a", 9)]));
    let signature = topic("Transfer(address,address,uint256)");
    let plain = |contract: &str| {
        let data = format!(
            "{}{}{}",
            padded("bob"),
            padded("alice").trim_start_matches("0x"),
            word(units(9)).trim_start_matches("0x")
        );
        Maker::call("alice", "a")
            .log(log(contract, std::slice::from_ref(&signature), &data))
            .view("alice")
    };
    assert_eq!(net(&plain("old")), changes(&[("old", 9)]));
    let kitties = "0x06012c8cf97bead5deae237070f9587f8e7a266d";
    assert_eq!(net(&plain(kitties)), changes(&[(&format!("{kitties}/9"), 1)]));
    // Two topics are no standard.
    let odd =
        Maker::call("alice", "a").log(log("a", &[signature, padded("alice")], &word(units(1))));
    assert_eq!(codes(&odd.view("alice")), ["log_malformed"]);
}

#[test]
fn erc_1155_moves_one_id_or_several_at_once() {
    let hash = "0x0aa66c2ca8d917c7b18a0ba022abcacdca6e50d10a941e6f57c58e329f448ee6";
    let wallet = "0x706a70067be19bdadbea3600db0626859ff25d74";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    let name = "0xd4416b13d2b3a9abae7acd5d6c2bbdbe25686401/\
                91679817133015463989818223905685161406090906080535943646748616991772960098948";
    assert_eq!(net(&line), changes(&[("native", -3_850_422_928_533_558), (name, 1)]));
    let made = Maker::call("bob", "items").log(transfer_batch(
        "items",
        "bob",
        "alice",
        &[(7, 3), (8, 1), (7, 2)],
    ));
    let line = made.view("alice");
    assert_eq!(net(&line), changes(&[("items/7", 5), ("items/8", 1)]));
    assert_eq!((line.kind, line.net[0].decimals), (TxKind::Nft, None));
    assert_eq!(net(&made.view("bob")), changes(&[("items/7", -5), ("items/8", -1)]));
    assert!(net(&made.view("operator")).is_empty());
}

#[test]
fn erc_1155_batch_that_does_not_fit_its_data_is_malformed() {
    let good = transfer_batch("items", "bob", "alice", &[(7, 3)]);
    let broken = |words_of_data: &[U256]| {
        let mut bad = good.clone();
        bad["data"] = json!(words(words_of_data));
        let made =
            Maker::call("bob", "items").log(bad).log(transfer("a", "bob", "alice", units(1)));
        let line = made.view("alice");
        assert_eq!((net(&line), codes(&line)), (changes(&[("a", 1)]), vec!["log_malformed"]));
    };
    broken(&[]);
    broken(&[units(64), U256::MAX, units(1), units(7)]);
    broken(&[units(64), units(64), U256::MAX]);
    // Two ids and one amount.
    broken(&[units(64), units(160), units(2), units(7), units(8), units(1), units(3)]);
}

#[test]
fn old_tokens_mint_and_burn_without_a_transfer() {
    // MKR is burnt, SKY comes in.
    let hash = "0xbfa0b5489a1f4b28c416d0ef8cbcbbc9d7d4fea8c3f1d53830b2cd5f78252b79";
    let wallet = "0x4bb80ba800f39b9237ce6e05a338962885d5f474";
    let Some(line) = recorded(Chain::Ethereum, hash, wallet) else { return };
    let mkr = "0x9f8f72aa9304c8b593d555f12ef6589cc3a579a2";
    let sky = "0x56072c95faa701256059aa122697b133aded9279";
    let want = [(sky, 18_000_291_840_000_000_000_000), (mkr, -750_012_160_000_000_000)];
    assert_eq!(net(&line), changes(&want));
    let event = |contract: &str, name: &str| {
        let topics = [topic(&format!("{name}(address,uint256)")), padded("alice")];
        log(contract, &topics, &word(units(5)))
    };
    let made =
        |name: &str| Maker::call("alice", "tub").log(event(mkr, name)).log(event("other", name));
    assert_eq!(net(&made("Mint").view("alice")), changes(&[(mkr, 5)]));
    assert_eq!(net(&made("Burn").view("alice")), changes(&[(mkr, -5)]));
    assert_eq!(net(&made("Mint").view_on(Chain::Base, "alice")), changes(&[]));
}

#[test]
fn amounts_have_all_256_bits_and_no_decimals_of_their_own() {
    let most = U256::MAX;
    let made = Maker::call("bob", "a").log(transfer("a", "bob", "alice", most));
    let line = made.view("alice");
    assert_eq!((line.net[0].raw.to_string(), line.net[0].decimals), (most.to_string(), None));
    assert_eq!(made.view("bob").net[0].raw.to_string(), format!("-{most}"));
    // Sums may pass 256 bits as long as the change fits.
    let twice =
        made.log(transfer("a", "bob", "alice", most)).log(transfer("a", "alice", "bob", most));
    assert_eq!(twice.view("alice").net[0].raw.to_string(), most.to_string());
    // What does not fit is left out and told, and everything else stays.
    let more = twice.log(transfer("a", "bob", "alice", units(1))).log(transfer(
        "b",
        "bob",
        "alice",
        units(1),
    ));
    let line = more.view("alice");
    assert_eq!((net(&line), codes(&line)), (changes(&[("b", 1)]), vec!["amount_too_large"]));
    assert_eq!(line.too_large, [AssetId::new(&account("a"))]);
}

#[test]
fn tokens_from_nowhere_are_minted_and_to_nowhere_burnt() {
    let nowhere = "0x0000000000000000000000000000000000000000";
    let minted = Maker::call("alice", "a").log(transfer("a", nowhere, "alice", units(5)));
    assert_eq!(minted.view("alice").kind, TxKind::Mint);
    let burnt = Maker::call("alice", "a").log(transfer("a", "alice", nowhere, units(5)));
    assert_eq!(burnt.view("alice").kind, TxKind::Burn);
    // The zero address has the other side, so that the lines of all wallets sum to nothing.
    let lines = burnt.decode_on(Chain::Ethereum).view_all();
    assert_eq!((lines.len(), sum(&lines, &crate::maker::account("a"))), (2, 0));
}
