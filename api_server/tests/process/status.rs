//! `status`, as an operator runs it.

use std::time::Instant;

use load_tests::{FaultKind, Faults, RecordedNode};
use persistence_layer::processes::{self, ProcessReport};
use persistence_layer::test_util::TestDatabase;
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Service, client, configured, demo_node, demo_wallets, program, run, text,
};

struct Look {
    code: i32,
    out: String,
    err: String,
}

fn look(database: &TestDatabase, node: &RecordedNode, flags: &[&str]) -> Look {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    configured(&mut command, database, node);
    let done = run(command.arg("status").args(flags), "");
    Look { code: done.status.code().unwrap(), out: text(&done.stdout), err: text(&done.stderr) }
}

fn json(look: &Look) -> Value {
    serde_json::from_str(&look.out).unwrap_or_else(|e| panic!("{e}: {}{}", look.out, look.err))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_batch_is_seen_from_its_submission_to_its_end() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let idle = look(&database, &node, &[]);
    assert_eq!(idle.code, 0, "{}{}", idle.out, idle.err);
    assert!(idle.out.starts_with("ok: nothing needs a human\n"), "{}", idle.out);

    // Submitted where nobody works.
    let serve = |role: &str| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.env("PNL_SERVICE__ROLE", role).env("PNL_WORKER__LEASE_SECONDS", "6");
        command.env("PNL_WORKER__CALL_TIMEOUT_SECONDS", "5");
        Service::start(command)
    };
    let mut api = serve("api");
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let url = format!("{}/api/pnl/batch/run", api.address);
    let job: Value = client().post(url).json(&body).send().await.unwrap().json().await.unwrap();
    let waiting = look(&database, &node, &["--format", "json"]);
    let report = json(&waiting);
    assert_eq!(waiting.code, 1, "{report}");
    assert_eq!(report["alarms"], json!(["nobody works while 4 wallets are open: start a worker"]));
    assert_eq!(
        report["tasks"],
        json!([{"chain": "solana", "state": "queued", "waits_for": null, "wallets": 4}])
    );
    assert_eq!(report["batches"], json!({"admitted": 1, "waiting": 0}));
    assert_eq!(report["oldest_waiting"]["job_id"], job["job_id"]);
    assert_eq!(report["oldest_waiting"]["wallet"], demo_wallets()[0]);
    assert_eq!(report["attempts"], json!([{"attempts": 0, "wallets": 4}]));

    // A worker takes them, and its endpoint hangs.
    node.set_faults(Faults::always(FaultKind::Hang));
    let mut worker = serve("worker");
    let begun = Instant::now();
    let report = loop {
        let report = json(&look(&database, &node, &["--format", "json"]));
        if report["running"].as_array().unwrap().len() == 4 {
            break report;
        }
        assert!(begun.elapsed() < PATIENCE, "{report}\n{}", worker.log());
    };
    let wallet = &report["running"][0];
    assert_eq!(wallet["job_id"], job["job_id"], "{report}");
    assert_eq!((&wallet["takeovers"], &wallet["claims"]), (&json!(0), &json!(1)), "{report}");
    assert!(wallet["lease_left_seconds"].as_u64().unwrap() <= 6, "{report}");
    assert_eq!(report["attempts"], json!([{"attempts": 1, "wallets": 4}]));
    assert_eq!(report["oldest_waiting"], Value::Null, "{report}");
    let table = look(&database, &node, &[]).out;
    for shown in [wallet["worker"].as_str().unwrap(), &demo_wallets()[0], "Running wallets"] {
        assert!(table.contains(shown), "{shown} in {table}");
    }
    assert!(!table.contains("postgres://") && !table.contains("http://"), "{table}");

    // Nobody is left to take them over when their process stands still.
    api.signal("TERM");
    api.ends_with(0);
    worker.signal("STOP");
    let begun = Instant::now();
    let frozen = loop {
        let frozen = look(&database, &node, &[]);
        if frozen.out.contains("run out") {
            break frozen;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", frozen.out);
    };
    assert_eq!(frozen.code, 1, "{}", frozen.out);
    assert!(frozen.out.starts_with("attention: "), "{}", frozen.out);

    node.set_faults(Faults::default());
    worker.signal("CONT");
    let begun = Instant::now();
    loop {
        let report = json(&look(&database, &node, &["--format", "json"]));
        if report["batches"]["admitted"] == 0 {
            assert_eq!(report["running"], json!([]), "{report}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{report}\n{}", worker.log());
    }
    worker.signal("TERM");
    worker.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_that_are_down_and_databases_that_cannot_be_read_are_told() {
    let (database, node) = (TestDatabase::create().await, demo_node().await);
    let report = ProcessReport {
        id: "worker-1".to_owned(),
        role: "worker".to_owned(),
        host: "machine-7".to_owned(),
        pid: 4711,
        version: "0.9.0".to_owned(),
        started_at: chrono::Utc::now(),
        slots: 5,
        slots_in_use: 0,
        wallets: json!([]),
        providers: json!({"solana": [
            {"name": "main", "kind": "solana-rpc", "state": "down", "detail": "HTTP 503"},
            {"name": "spare", "kind": "solana-rpc", "state": "ok"}]}),
        gates: json!([{"chain": "solana", "detail": "HTTP 503"}]),
        redis: "absent".to_owned(),
    };
    processes::publish(database.store(), &report).await.unwrap();
    let sick = look(&database, &node, &[]);
    assert_eq!(sick.code, 1, "{}{}", sick.out, sick.err);
    for line in [
        "attention: solana is paused: HTTP 503",
        "attention: solana provider main is down for 1 of 1 processes: HTTP 503",
    ] {
        assert!(sick.out.lines().any(|found| found == line), "{line}\n{}", sick.out);
    }
    for shown in ["machine-7", "4711", "0.9.0", "0 of 5", "spare"] {
        assert!(sick.out.contains(shown), "{shown}\n{}", sick.out);
    }

    let old = look(&TestDatabase::empty(2).await, &node, &[]);
    assert_eq!((old.code, old.out.as_str()), (2, ""), "{}", old.err);
    assert!(old.err.contains("pnl-tracker migrate"), "{}", old.err);
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    let nowhere = run(command.env_remove("DATABASE_URL").arg("status"), "");
    assert_eq!((nowhere.status.code(), text(&nowhere.stdout)), (Some(2), String::new()));
    let told = text(&nowhere.stderr);
    assert!(told.contains("--config") && told.lines().count() == 1, "{told}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a look starts no cluster");

    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("DATABASE_URL", "postgres://pnl:hush-hush@127.0.0.1:1/pnl").arg("status");
    let gone = run(&mut command, "");
    assert_eq!(gone.status.code(), Some(2));
    let told = text(&gone.stderr);
    assert!(told.contains("the database cannot be read"), "{told}");
    assert!(!told.contains("hush-hush"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}
