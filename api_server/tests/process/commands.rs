//! The subcommands that run once: their output and exit codes.

use std::path::Path;

use persistence_layer::test_util::TestDatabase;
use serde_json::{Value, json};

use crate::support::{DEMO_CHAIN, configured, demo_node, demo_wallets, program, run, text};

#[tokio::test(flavor = "multi_thread")]
async fn analyze_prints_a_row_for_every_wallet_in_each_format() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let analyze = |format: &str| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.args(["analyze", "--chain", "sol", "--format", format]).args(demo_wallets());
        run(&mut command, "")
    };
    let json = analyze("json");
    assert_eq!(json.status.code(), Some(0), "{}", text(&json.stderr));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let rows = json["data"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row["status"] == "done"), "{json}");
    let csv = analyze("csv");
    assert_eq!(csv.status.code(), Some(0), "{}", text(&csv.stderr));
    assert_eq!(text(&csv.stdout).lines().count(), 5);
    let table = analyze("table");
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    assert!(text(&table.stderr).contains("4 of 4 wallets"), "{}", text(&table.stderr));
    let table = text(&table.stdout);
    for wallet in demo_wallets() {
        assert!(table.contains(&wallet), "{table}");
    }

    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let refused = run(command.args(["analyze", "--chain", "sol", "wallet1"]), "");
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("not a Solana address"), "{}", text(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn analyze_beside_a_service_leaves_its_replaced_ledgers_alone() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let wallets = demo_wallets();
    let analyze = || {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        let analyzed = run(command.args(["analyze", "--chain", "sol"]).args(&wallets), "");
        assert_eq!(analyzed.status.code(), Some(0), "{}", text(&analyzed.stderr));
    };
    analyze();
    analyze();
    // Ledgers of another tenant: of one wallet replaced longer ago than any is kept, of the others an hour ago.
    let others = format!(
        "update ledgers set tenant = 'other', superseded_at = now() - case wallet
            when '{}' then interval '1 year' else interval '1 hour' end
            where state = 'superseded'",
        wallets[0]
    );
    assert_eq!(database.execute(&others).await, 4);
    // A run sweeps beside its work, and may end before.
    let old = "update ledgers set state = state
        where tenant = 'other' and superseded_at < now() - interval '1 day'";
    for _ in 0..10 {
        analyze();
        if database.execute(old).await == 0 {
            break;
        }
    }
    assert_eq!(database.execute(old).await, 0, "no run has swept");
    let left = "update ledgers set state = state where tenant = 'other'";
    assert_eq!(database.execute(left).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_brings_an_empty_database_to_the_newest_schema() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::empty(2).await);
    let (before, newest) = database.store().schema_version().await.unwrap();
    assert_eq!(before, 0);
    for _ in 0..2 {
        let mut command = program(folder.path());
        command.env("DATABASE_URL", database.url()).arg("migrate");
        let migrated = run(&mut command, "");
        assert_eq!(migrated.status.code(), Some(0), "{}", text(&migrated.stderr));
        assert_eq!(database.store().schema_version().await.unwrap(), (newest, newest));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_could_take_every_connection_is_warned_about_with_both_numbers() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::create().await);
    let usable = database.store().server_budget().await.unwrap().usable();
    let mut command = program(folder.path());
    let most = (usable + 1).to_string();
    command
        .env("DATABASE_URL", database.url())
        .env("PNL_DATABASE__MAX_CONNECTIONS", &most)
        .env("PNL_DATABASE__MIN_CONNECTIONS", "0");
    let warned = run(command.arg("migrate"), "");
    assert_eq!(warned.status.code(), Some(0), "{}", text(&warned.stderr));
    let log = text(&warned.stderr);
    assert!(log.contains(&most) && log.contains(&usable.to_string()), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_whose_minimum_does_not_fit_is_refused_before_it_is_filled() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::create().await);
    let usable = database.store().server_budget().await.unwrap().usable();
    let least = (usable + 1).to_string();
    let mut command = program(folder.path());
    command
        .env("DATABASE_URL", database.url())
        .env("PNL_DATABASE__MAX_CONNECTIONS", &least)
        .env("PNL_DATABASE__MIN_CONNECTIONS", &least);
    let refused = run(command.arg("serve"), "");
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    let log = text(&refused.stderr);
    assert!(log.contains(&least) && log.contains(&usable.to_string()), "{log}");
    // The server was asked over one connection, not over as many as it would give.
    assert!(!log.contains("pool initialized"), "{log}");
}

#[test]
fn check_config_prints_without_secrets_and_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "postgres://user:hush-hush@db.example/pnl";
    let shown = run(program(folder.path()).env("DATABASE_URL", secret).arg("check-config"), "");
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let toml = text(&shown.stdout);
    assert!(toml.contains("max_concurrent = 3") && toml.contains("db.example"), "{toml}");
    assert!(!toml.contains("hush-hush"), "{toml}");

    for (name, value, key) in [
        ("PNL_API__PORT", "eighty", "api.port"),
        ("PNL_WORKER__LEASE_SECONDS", "0", "worker.lease_seconds"),
        ("PNL_API__PROT", "80", "PNL_API__PROT"),
    ] {
        let refused = run(program(folder.path()).env(name, value).arg("check-config"), "");
        assert_eq!(refused.status.code(), Some(2), "{name}");
        assert!(text(&refused.stderr).contains(key), "{}", text(&refused.stderr));
        assert!(refused.stdout.is_empty());
    }
    let missing = ["check-config", "--config", "missing.toml"];
    assert_eq!(run(program(folder.path()).args(missing), "").status.code(), Some(2));
}

#[test]
fn engine_answers_a_case_and_a_refused_one_alike() {
    let folder = tempfile::tempdir().unwrap();
    let case = json!({"method": "fifo", "events": [
        {"id": "1", "ts": 1, "kind": "acquire", "asset": "A", "qty": "10", "decimals": 0, "value": "100"},
        {"id": "2", "ts": 2, "kind": "dispose", "asset": "A", "qty": "4", "decimals": 0, "value": "60"},
    ]});
    let answered = run(program(folder.path()).arg("engine"), &case.to_string());
    assert_eq!(answered.status.code(), Some(0), "{}", text(&answered.stderr));
    let answer: Value = serde_json::from_slice(&answered.stdout).unwrap();
    assert_eq!(answer["totals"]["realized_gain"], "20", "{answer}");
    let refused = run(program(folder.path()).arg("engine"), "{\"events\": 7}");
    assert_eq!(refused.status.code(), Some(0));
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(refused["error"].is_string(), "{refused}");
}

#[test]
fn parse_prints_good_files_and_tells_bad_ones() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_dir(format!("{DEMO_CHAIN}/transactions")).unwrap().next().unwrap();
    let good = good.unwrap().path();
    let parse = ["parse", "--chain", "solana"];
    let parsed = run(program(folder.path()).args(parse).arg(&good), "");
    assert_eq!(parsed.status.code(), Some(0), "{}", text(&parsed.stderr));
    for line in text(&parsed.stdout).lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["chain"], "solana", "{line}");
    }
    let raw = std::fs::read_to_string(&good).unwrap();
    let both = run(program(folder.path()).args(parse).args(["none.json", "-"]), &raw);
    assert_eq!(both.status.code(), Some(1));
    assert_eq!(text(&both.stdout), text(&parsed.stdout), "stdin is a file, and the rest goes on");
    let told: Value = serde_json::from_str(text(&both.stderr).trim()).unwrap();
    assert_eq!(told["file"], "none.json", "{told}");
    for wrong in [
        vec!["--chain", "doge"],
        vec!["--chain", "base", "--wallet", "0x12"],
        vec!["--chain", "base", "--wrapped-native", "0x12"],
        vec![
            "--chain",
            "solana",
            "--wrapped-native",
            "So11111111111111111111111111111111111111112",
        ],
    ] {
        let parse = run(program(folder.path()).arg("parse").args(&wrong).arg("-"), "");
        assert_eq!(parse.status.code(), Some(2), "{wrong:?}");
    }
}

/// A payment of 5 wei in the wrapped coin that the command line names.
#[test]
fn parse_knows_the_wrapped_coin_of_a_test_network() {
    let folder = tempfile::tempdir().unwrap();
    let (hash, coin) = ("0x".to_owned() + &"ab".repeat(32), "0x".to_owned() + &"11".repeat(20));
    let (alice, bob) = ("0x".to_owned() + &"aa".repeat(20), "0x".to_owned() + &"bb".repeat(20));
    let transfer = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef";
    let padded = |account: &str| format!("0x{:0>64}", &account[2..]);
    let raw = json!({
        "transaction": {
            "hash": hash, "from": alice, "to": coin, "value": "0x0", "input": "0x12345678",
            "blockNumber": "0x1", "transactionIndex": "0x0",
        },
        "receipt": {
            "status": "0x1", "gasUsed": "0x2", "effectiveGasPrice": "0x3",
            "logs": [{
                "address": coin, "topics": [transfer, padded(&alice), padded(&bob)],
                "data": format!("0x{:064x}", 5),
            }],
        },
        "block_timestamp": 1, "internal_transfers": [],
    });
    let parse = ["parse", "--chain", "eth", "--wrapped-native", &coin, "-"];
    let parsed = run(program(folder.path()).args(parse), &raw.to_string());
    assert_eq!(parsed.status.code(), Some(0), "{}", text(&parsed.stderr));
    let lines: Vec<Value> =
        text(&parsed.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["wallet"], &lines[1]["wallet"]), (&alice.into(), &bob.into()));
    let changes = |line: &Value| json!([line["net"], line["fee"]]);
    let native = |raw: &str| json!({"asset": "native", "raw": raw, "decimals": 18});
    let fee = json!({"asset": "native", "raw": "-6"});
    assert_eq!(changes(&lines[0]), json!([[native("-5")], fee]));
    assert_eq!(changes(&lines[1]), json!([[native("5")], null]));
}

/// A disposal with a gain, as the list without an id shows it, and its tree.
#[tokio::test(flavor = "multi_thread")]
async fn explain_prints_a_tree_from_the_database_alone() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let with = |arguments: &[&str]| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        run(command.args(arguments), "")
    };
    let wallet = &demo_wallets()[0];
    let explain = ["explain", "--chain", "sol", wallet];
    assert_eq!(with(&explain).status.code(), Some(1), "not analyzed yet");
    let analyzed = with(&["analyze", "--chain", "sol", "--format", "csv", wallet]);
    assert_eq!(analyzed.status.code(), Some(0), "{}", text(&analyzed.stderr));
    let list = with(&explain);
    assert_eq!(list.status.code(), Some(0), "{}", text(&list.stderr));
    let list = text(&list.stdout);
    let id = list.lines().next().unwrap().split("  ").nth(1).unwrap();
    let tree = with(&[&explain[..], &[id]].concat());
    assert_eq!(tree.status.code(), Some(0), "{}", text(&tree.stderr));
    let tree = text(&tree.stdout);
    for part in ["realized gain", id, "proceeds", "transaction ", "USD by ", "left over: 0"] {
        assert!(tree.contains(part), "{part:?} is not in\n{tree}");
    }
    let json = with(&[&explain[..], &["--format", "json", id]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["disposal"]["left_over"], "0", "{json}");
    assert_eq!(with(&[&explain[..], &["5h:0:out"]].concat()).status.code(), Some(1));
    for wrong in [vec!["--chain", "sol", "W"], vec!["--chain", "sol", wallet, "7"]] {
        assert_eq!(with(&[&["explain"], &wrong[..]].concat()).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_replayed_to_the_same_bytes_without_a_database() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let with = |arguments: &[&str]| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        run(command.args(arguments), "")
    };
    let wallets = demo_wallets();
    let wallets: Vec<&str> = wallets.iter().map(String::as_str).collect();
    let analyzed =
        with(&[&["analyze", "--chain", "sol", "--format", "json"], &wallets[..]].concat());
    assert_eq!(analyzed.status.code(), Some(0), "{}", text(&analyzed.stderr));
    let analyzed: Value = serde_json::from_slice(&analyzed.stdout).unwrap();
    for (row, wallet) in analyzed["data"].as_array().unwrap().iter().zip(&wallets) {
        let bundle = with(&["bundle", "--chain", "sol", wallet]);
        assert_eq!(bundle.status.code(), Some(0), "{}", text(&bundle.stderr));
        let bundle = text(&bundle.stdout);
        let replayed = run(program(folder.path()).args(["replay", "-"]), &bundle);
        assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
        let result: Value = serde_json::from_slice(&replayed.stdout).unwrap();
        for (name, value) in row["result"].as_object().unwrap() {
            assert_eq!(&result[name], value, "{name}");
        }
        let said = text(&replayed.stderr);
        assert!(!said.contains(" 0 transactions read") && said.contains(" 0 not in it"), "{said}");
        assert!(said.contains("the values of 0 transactions"), "{said}");
        let packed = with(&["bundle", "--chain", "sol", "--compress", wallet]).stdout;
        assert!(packed.len() < bundle.len() / 2, "{} of {}", packed.len(), bundle.len());
        let file = folder.path().join("bundle.zst");
        std::fs::write(&file, packed).unwrap();
        let unpacked = run(program(folder.path()).args(["replay", file.to_str().unwrap()]), "");
        assert_eq!(unpacked.stdout, replayed.stdout);

        // What was changed is noticed: an event, a transaction, the end.
        let (at, event) = bundle
            .lines()
            .enumerate()
            .find(|(_, line)| line.contains("\"kind\":\"swap\""))
            .unwrap();
        let value = event.split("\"value_usd\":\"").nth(1).unwrap().split('"').next().unwrap();
        let changed = |from: &str, to: &str| {
            let lines = bundle.lines().enumerate();
            let line = |(n, line): (usize, &str)| match n == at {
                true => line.replace(from, to),
                false => line.to_owned(),
            };
            lines.map(line).collect::<Vec<_>>().join("\n")
        };
        let dearer = changed(&format!("\"{value}\""), "\"123456.5\"");
        let raw = event.split("\"raw\":\"").nth(1).unwrap().split('"').next().unwrap();
        let more = changed(&format!("\"raw\":\"{raw}\""), &format!("\"raw\":\"{raw}7\""));
        let cut = &bundle[..bundle.trim_end().rfind('\n').unwrap()];
        let (_, id) = bundle.split_once("{\"transaction\":{\"tx_id\":\"").unwrap();
        let id = id.split('"').next().unwrap();
        let renamed = bundle.replace(&format!("\"tx_id\":\"{id}\""), "\"tx_id\":\"5hAnother\"");
        let forged = |lines: &str| forged(folder.path(), lines);
        let swap: Value = serde_json::from_str(event).unwrap();
        let (swap, swapped) = (&swap["event"], swap["event"]["tx_id"].as_str().unwrap());
        let without_swap: Vec<&str> =
            bundle.lines().filter(|line| !line.contains(swapped)).collect();
        let fewer = bundle.lines().count() - without_swap.len() - 1;
        let events: Value = serde_json::from_str(bundle.lines().next().unwrap()).unwrap();
        let events = events["events"].as_u64().unwrap();
        let without_swap = without_swap.join("\n").replacen(
            &format!("\"events\":{events}"),
            &format!("\"events\":{}", events - fewer as u64),
            1,
        );
        let asset = swap["legs"][0]["asset"].as_str().unwrap();
        let time = swap["block_time"].as_i64().unwrap();
        let of_swap = |from: &str, to: &str| {
            let line =
                |line: &str| match line.contains(swapped) && line.starts_with("{\"transaction\"") {
                    true => line.replacen(from, to, 1),
                    false => line.to_owned(),
                };
            bundle.lines().map(line).collect::<Vec<_>>().join("\n")
        };
        let other_time =
            of_swap(&format!("\"blockTime\":{time}"), &format!("\"blockTime\":{}", time - 1));
        let block = swap["block"].as_u64().unwrap();
        let other_block = of_swap(&format!("\"slot\":{block}"), &format!("\"slot\":{}", block + 1));
        // Of the first event: no other one stands before it.
        let first = bundle.lines().find(|line| line.starts_with("{\"event\"")).unwrap();
        let (first, event): (&str, Value) = (first, serde_json::from_str(first).unwrap());
        let (event, ts) = (&event["event"], event["event"]["ts"].as_i64().unwrap());
        let early = first.replacen(&format!("\"ts\":{ts}"), &format!("\"ts\":{}", ts - 1), 1);
        let earlier = bundle.replacen(first, &early, 1);
        let misplaced = |tx_id: &str| {
            format!("transaction {tx_id} has another block, time or status than its events say")
        };
        // Told by what is made again, and of a transaction only the first difference.
        let gives_other =
            |tx_id: &str| format!("first difference: transaction {tx_id} gives other events");
        let early = gives_other(event["tx_id"].as_str().unwrap());
        let misplaced = misplaced(swapped);
        let sums = format!("the sums of {asset} in the first line");
        assert_ne!(other_time, bundle);
        assert_ne!(other_block, bundle);
        for (what, broken, says) in [
            ("a swap left out with its transaction", forged(&without_swap).as_str(), sums.as_str()),
            ("values, with the result of them", &forged(&dearer), "the sums of "),
            ("the time of a transaction", &other_time, &misplaced),
            ("the block of a transaction", &other_block, &misplaced),
            ("the time of an event", &earlier, &early),
            ("a failure", &of_swap("\"err\":null", "\"err\":{\"x\":1}"), &misplaced),
            ("a name", renamed.as_str(), "5hAnother is another transaction"),
            ("a price", dearer.as_str(), "NOT the result"),
            ("a value", &dearer, &gives_other(swapped)),
            ("a quantity", &more, "does not do what its events say"),
            ("the end", cut, "the bundle ends after"),
            ("the form", "{}", "line 1 of the bundle"),
        ] {
            let replayed = run(program(folder.path()).args(["replay", "-"]), broken);
            assert_eq!(replayed.status.code(), Some(1), "{what}");
            assert!(text(&replayed.stderr).contains(says), "{what}: {}", text(&replayed.stderr));
        }
    }
    let unknown = "Config1111111111111111111111111111111111111";
    assert_eq!(with(&["bundle", "--chain", "sol", unknown]).status.code(), Some(1));
    assert_eq!(with(&["replay", "no-such-file"]).status.code(), Some(1));
}

/// The bundle with the result that its lines give: what a forger would hand out.
fn forged(folder: &Path, lines: &str) -> String {
    let replayed = run(program(folder).args(["replay", "-"]), lines);
    let result = text(&replayed.stdout);
    let (head, rest) = lines.split_once('\n').unwrap();
    let (head, _) = head.split_once("\"result\":").unwrap();
    let forged = format!("{head}\"result\":{}}}\n{rest}", result.trim_end());
    let replayed = run(program(folder).args(["replay", "-"]), &forged);
    assert!(text(&replayed.stderr).contains("the same bytes"), "{}", text(&replayed.stderr));
    forged
}
