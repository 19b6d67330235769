//! `doctor`, as an operator runs it.

use persistence_layer::test_util::TestDatabase;

use crate::support::{Service, configured, demo_node, program, run, text};

/// Level and text of the line about `subject`.
#[track_caller]
fn line<'a>(report: &'a str, subject: &str) -> (&'a str, &'a str) {
    let found = report.lines().find_map(|line| {
        let (level, rest) = line.split_once(' ')?;
        rest.trim_start().strip_prefix(subject).map(|text| (level, text.trim()))
    });
    found.unwrap_or_else(|| panic!("no line about {subject} in\n{report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_a_healthy_service_and_what_ails_a_sick_one() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let doctor = |change: &[(&str, &str)], flags: &[&str]| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.env("PNL_API__PORT", "0").env("PNL_ADMIN__PORT", "0");
        let done = run(command.envs(change.iter().copied()).arg("doctor").args(flags), "");
        (done.status.code().unwrap(), text(&done.stdout))
    };
    let (_, report) = doctor(&[], &[]);
    for subject in
        ["configuration", "database", "clock", "connections", "schema", "redis", "api port"]
    {
        assert_eq!(line(&report, subject).0, "ok", "{report}");
    }
    assert!(line(&report, "database").1.starts_with("PostgreSQL "), "{report}");
    assert_eq!(line(&report, "solana provider recorded"), ("ok", "answers"));
    assert!(!report.contains("127.0.0.1:8899") && !report.contains("postgres://"), "{report}");

    // A running service answers at its port.
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let service = Service::start(command);
    let port = service.address.rsplit(':').next().unwrap().to_owned();
    let (_, report) = doctor(&[("PNL_API__PORT", &port)], &["--offline"]);
    assert!(line(&report, "api port").1.starts_with("the service answers"), "{report}");
    assert_eq!(line(&report, "endpoints").1, "not asked (--offline)");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, report) = doctor(&[("PNL_ADMIN__PORT", &port)], &["--offline"]);
    assert_eq!((code, line(&report, "admin port").0), (2, "fail"), "{report}");

    // Nobody listens at port 1.
    let dead = r#"[{name="gone", kind="solana-rpc", url="http://127.0.0.1:1/?api-key=hush-hush", requests_per_second=9}]"#;
    let (code, report) = doctor(
        &[
            ("PNL_CHAINS__SOLANA__PROVIDERS", dead),
            ("REDIS_URL", "redis://:hush-hush@127.0.0.1:1"),
            ("PNL_WORKER__LEASE_SECONDS", "3"),
        ],
        &[],
    );
    assert_eq!(code, 2, "{report}");
    assert_eq!(line(&report, "solana provider gone").0, "fail", "{report}");
    assert_eq!(line(&report, "redis").0, "warn", "{report}");
    assert!(line(&report, "configuration").1.contains("worker.lease_seconds = 3"), "{report}");
    assert!(!report.contains("hush-hush"), "{report}");

    let away = "postgres://pnl:hush-hush@127.0.0.1:1/pnl";
    let (code, report) = doctor(&[("DATABASE_URL", away)], &["--offline"]);
    assert_eq!((code, line(&report, "database").0), (2, "fail"), "{report}");
    assert!(!report.contains("hush-hush"), "{report}");

    let (code, report) = doctor(&[("PNL_API__PROT", "80")], &[]);
    assert_eq!(code, 2, "{report}");
    assert!(line(&report, "configuration").1.contains("PNL_API__PROT"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_when_the_schema_is_behind() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::empty(2).await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let done = run(command.args(["doctor", "--offline"]), "");
    let report = text(&done.stdout);
    assert_eq!(line(&report, "schema").0, "warn", "{report}");
    assert!(line(&report, "schema").1.contains("migrate"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_named_by_doctor_and_status() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let told = |subcommand: &[&str], url: &str| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        let done = run(command.env("DATABASE_URL", url).args(subcommand), "");
        (done.status.code().unwrap(), text(&done.stdout))
    };
    let (_, report) = told(&["doctor", "--offline"], database.url());
    assert_eq!(line(&report, "writes"), ("ok", "the database takes them"), "{report}");
    assert_eq!(told(&["status"], database.url()).0, 0);

    let separator = if database.url().contains('?') { '&' } else { '?' };
    let refusing =
        format!("{}{separator}options=-c%20default_transaction_read_only%3Don", database.url());
    let (code, report) = told(&["doctor", "--offline"], &refusing);
    assert_eq!((code, line(&report, "writes").0), (2, "fail"), "{report}");
    assert!(line(&report, "writes").1.contains("database-read-only"), "{report}");
    let (code, report) = told(&["status"], &refusing);
    assert_eq!(code, 1, "{report}");
    let attention = report.lines().next().unwrap();
    assert!(attention.starts_with("attention: the database takes no writes"), "{report}");
    assert!(attention.contains("database-read-only"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_is_what_the_running_service_says() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    // The listener of operators asks for no key.
    command.env("PNL_AUTH__MODE", "keys");
    let mut service = Service::start(command);
    let ask = |flags: &[&str]| {
        let done = run(program(folder.path()).arg("capacity").args(flags), "");
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    };
    let (code, told, _) = ask(&["--url", &service.admin, "--rps", "5000", "--latency-ms", "201"]);
    // A busy machine may have reached a gate.
    assert!(code <= 1, "{told}");
    let gated = told.lines().take_while(|line| line.starts_with("attention: ")).count();
    assert_eq!((gated > 0, told.starts_with("ok: ")), (code == 1, code == 0), "{told}");
    assert!(told.contains("5000 requests/s of 201 ms, 100 at a time in an instance: 11 instances"));
    assert!(told.contains("database_pool"), "{told}");
    let (_, json, _) = ask(&["--url", &service.admin, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["gates"].as_array().unwrap().len(), 4, "{json}");
    let (code, _, error) = ask(&["--url", &service.address]);
    assert_eq!((code, error.lines().count()), (2, 1), "{error}");
    assert!(error.contains("401") && error.contains("--url"), "{error}");
    assert_eq!(ask(&["--url", &service.admin, "--rps", "0"]).0, 2);
    service.signal("TERM");
    service.ends_with(0);
}
