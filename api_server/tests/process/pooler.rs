//! Behind a PgBouncer: as the system's packages have it, and a current one in transaction mode.

use std::path::Path;
use std::process::Command;

use futures::future::try_join_all;
use load_tests::service::{Client, PgBouncer, PgBouncerProgram, PostgresServer, wait};
use load_tests::{FaultKind, Faults, RecordedChain, RecordedNode, SyntheticPlan};
use persistence_layer::pooler::{PoolerError, check_answers, check_sessions};

use crate::support::{PATIENCE, Service, client, get, program, run, text, with_chain};

/// What makes a current one fit to stand before the service.
const TELLING_APART: [&str; 2] = ["pool_mode = transaction", "max_prepared_statements = 200"];

/// The setting that an address is of.
const KEY: &str = "database.postgres_url";

/// A server with a database, and its URL.
async fn server() -> (PostgresServer, String) {
    let server = PostgresServer::start(&[]).await.unwrap();
    let url = server.create_database("behind").await.unwrap();
    (server, url)
}

/// That of the system; `None` when none is installed.
fn of_the_system() -> Option<PgBouncerProgram> {
    let program = PgBouncerProgram::of_the_system().unwrap();
    if program.is_none() {
        let is_ci = std::env::var_os("CI").is_some();
        assert!(!is_ci, "pgbouncer is not installed: scripts/setup.sh --tests");
        eprintln!("SKIPPED: pgbouncer is not installed (scripts/setup.sh --tests)");
    }
    program
}

/// A current one; `None` when the tests with it are left out.
fn current() -> Option<PgBouncerProgram> {
    let program = PgBouncerProgram::current().unwrap();
    if program.is_none() {
        eprintln!("SKIPPED: there is no PgBouncer of 1.21 or newer (TEST_PGBOUNCER=none)");
    }
    program
}

fn configured(command: &mut Command, url: &str) {
    command
        .env("DATABASE_URL", url)
        .env("PNL_DATABASE__MAX_CONNECTIONS", "10")
        .env("PNL_DATABASE__MIN_CONNECTIONS", "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_mixes_up_answers_is_refused_with_what_to_do() {
    let (server, direct) = server().await;
    for pgbouncer in of_the_system().into_iter().chain(current()) {
        let mut settings = vec!["pool_mode = transaction"];
        if pgbouncer.tells_statements_apart() {
            settings.push("max_prepared_statements = 0");
        }
        let pooler = PgBouncer::start(&pgbouncer, server.port(), &settings).await.unwrap();
        let url = pooler.url("behind");
        // Each time, not by chance.
        for _ in 0..5 {
            let refused = check_answers(KEY, &url, PATIENCE).await.unwrap_err();
            assert!(matches!(refused, PoolerError::MixesAnswers { .. }), "{refused}");
        }
        check_answers(KEY, &direct, PATIENCE).await.unwrap();
        let shared = check_sessions(&url, PATIENCE).await.unwrap_err();
        assert!(matches!(shared, PoolerError::NotDirect), "{shared}");
        check_sessions(&direct, PATIENCE).await.unwrap();

        let folder = tempfile::tempdir().unwrap();
        for arguments in [&["serve"][..], &["status"], &["migrate"]] {
            let mut command = program(folder.path());
            configured(&mut command, &url);
            command.env("PNL_API__PORT", "0").env("PNL_ADMIN__PORT", "0");
            let done = run(command.args(arguments), "");
            let said = text(&done.stderr);
            assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(said.contains("mixes up the answers"), "{said}");
            assert!(
                said.contains("PgBouncer 1.21") && said.contains("max_prepared_statements"),
                "{said}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_url_that_leads_to_a_pooler_is_refused() {
    let (server, direct) = server().await;
    for pgbouncer in of_the_system().into_iter().chain(current()) {
        let pooler =
            PgBouncer::start(&pgbouncer, server.port(), &TELLING_APART[..1]).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = program(folder.path());
        configured(&mut command, &direct);
        command.env("PNL_DATABASE__DIRECT_URL", pooler.url("behind"));
        let done = run(command.arg("migrate"), "");
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains("database.direct_url leads to a connection pooler"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_works_behind_a_pooler_that_keeps_clients_apart() {
    let Some(pgbouncer) = of_the_system() else { return };
    let (server, direct) = server().await;
    let mode = ["pool_mode = session", "default_pool_size = 40"];
    let pooler = PgBouncer::start(&pgbouncer, server.port(), &mode).await.unwrap();
    let url = pooler.url("behind");
    check_answers(KEY, &url, PATIENCE).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    configured(&mut command, &url);
    command.env("PNL_DATABASE__DIRECT_URL", &direct);
    let mut service = Service::start(command);
    let (status, body) = get(&format!("{}/api/pnl/results", service.address)).await;
    assert_eq!((status, &body["summary"]["total_wallets"]), (200, &0.into()), "{body}");
    // Whoever listens does so past the pooler.
    assert_eq!(server.number("postgres", LISTENERS).await.unwrap(), 1);
    service.signal("TERM");
    service.ends_with(0);
}

const LISTENERS: &str =
    "select count(*) from pg_stat_activity where query like 'LISTEN%' and client_port <> -1";

/// The sessions of the database that take part in the work.
const SESSIONS: &str = "select count(*) from pg_stat_activity
    where datname = 'behind' and usename = 'pnl' and query not like 'LISTEN%'";

/// More wallets than the pooler has sessions, of a few transactions each.
async fn many_wallets() -> (RecordedNode, Vec<String>) {
    let plan = SyntheticPlan { wallets: 24, transactions_each: 10, ..SyntheticPlan::default() };
    let chain = RecordedChain::synthetic(plan);
    let wallets = chain.synthetic_wallets();
    (RecordedNode::start(chain, "127.0.0.1:0").await.unwrap(), wallets)
}

/// A service of twenty connections at least on `url`; notifications and migrations go to `direct`, unless that is empty.
fn crowded(folder: &Path, url: &str, direct: &str, node: &RecordedNode) -> Service {
    let mut command = program(folder);
    with_chain(&mut command, url, node);
    command
        .env("PNL_DATABASE__DIRECT_URL", direct)
        .env("PNL_DATABASE__MIN_CONNECTIONS", "20")
        .env("PNL_DATABASE__MAX_CONNECTIONS", "30")
        .env("PNL_WORKER__LEASE_SECONDS", "3");
    Service::start(command)
}

/// What a job has found, wallet by wallet, once it has ended.
async fn found(service: &Service, job: &str) -> Vec<(String, String)> {
    let client = Client::new(&service.address);
    let end = client.job_end(job, PATIENCE).await.unwrap();
    assert_eq!(end.status, "completed", "{end:?}\n{}", service.log());
    let rows = client.results(job).await.unwrap();
    rows.into_iter().map(|row| (row.wallet, row.result.get().to_owned())).collect()
}

/// The same straight from the server, in a database of its own.
async fn found_directly(
    server: &PostgresServer,
    node: &RecordedNode,
    wallets: &[String],
) -> Vec<(String, String)> {
    let direct = server.create_database("directly").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let service = crowded(folder.path(), &direct, &direct, node);
    let job = Client::new(&service.address).submit(wallets).await.unwrap();
    found(&service, &job.job_id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_a_few_shared_sessions_finds_what_it_finds_in_its_own() {
    let Some(pgbouncer) = current() else { return };
    let ((server, direct), (node, wallets)) = (server().await, many_wallets().await);
    let pooler = PgBouncer::start(&pgbouncer, server.port(), &TELLING_APART).await.unwrap();
    let url = pooler.url("behind");
    check_answers(KEY, &url, PATIENCE).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut service = crowded(folder.path(), &url, &direct, &node);
    let job = Client::new(&service.address).submit(&wallets).await.unwrap().job_id;
    // Whoever reads meanwhile is answered, each about its own wallet.
    let readers = wallets.iter().map(async |wallet| {
        let ledger = format!("/api/v2/wallets/{wallet}/ledger?chain=solana&limit=5");
        let client = Client::new(&service.address);
        wait::until(wallet, PATIENCE, async || {
            let answer = client.get(&ledger).await?;
            if answer.status == 404 {
                return Ok(None);
            }
            let ledger: serde_json::Value = answer.expect(200)?.json()?;
            anyhow::ensure!(ledger["wallet"] == **wallet, "{wallet} is answered with {ledger}");
            Ok(Some(()))
        })
        .await
    });
    try_join_all(readers).await.unwrap();
    let through = found(&service, &job).await;
    assert_eq!(through.len(), wallets.len());

    assert!(server.number("postgres", SESSIONS).await.unwrap() <= 5);
    let metrics = client().get(format!("{}/metrics", service.admin)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let connections = metrics.lines().find_map(|line| line.strip_prefix("db_pool_size "));
    assert!(connections.unwrap().parse::<u32>().unwrap() >= 20, "{connections:?}");
    assert_eq!(server.number("postgres", LISTENERS).await.unwrap(), 1);
    assert_eq!(through, found_directly(&server, &node, &wallets).await);
    service.signal("TERM");
    service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_pooler_is_killed_ends_as_if_nothing_had_been() {
    let Some(pgbouncer) = current() else { return };
    let ((server, direct), (node, wallets)) = (server().await, many_wallets().await);
    let mut pooler = PgBouncer::start(&pgbouncer, server.port(), &TELLING_APART).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let service = crowded(folder.path(), &pooler.url("behind"), &direct, &node);
    let client = Client::new(&service.address);
    // The job cannot end before the last wallet may.
    let last = Faults { only: wallets.last().cloned(), ..Faults::always(FaultKind::Hang) };
    node.set_faults(last);
    let job = client.submit(&wallets).await.unwrap().job_id;
    for ended in [1, 10] {
        wait::until("some wallets", PATIENCE, async || {
            // A request that meets a broken connection is answered 503, and asked again.
            let status = client.job_status(&job).await.ok();
            Ok(status.filter(|status| status.counts.ended() >= ended))
        })
        .await
        .unwrap();
        // Whoever was in a transaction has lost it, and every connection is broken.
        pooler.kill().await.unwrap();
        pooler.start_again().await.unwrap();
    }
    node.set_faults(Faults::default());
    let through = found(&service, &job).await;
    assert_eq!(through.len(), wallets.len());
    assert_eq!(through, found_directly(&server, &node, &wallets).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_direct_url_nobody_listens_through_the_pooler() {
    let Some(pgbouncer) = current() else { return };
    let ((server, _), (node, wallets)) = (server().await, many_wallets().await);
    let pooler = PgBouncer::start(&pgbouncer, server.port(), &TELLING_APART).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let service = crowded(folder.path(), &pooler.url("behind"), "", &node);
    // A notification would end the session that listens, under whoever has it then.
    let job = Client::new(&service.address).submit(&wallets).await.unwrap().job_id;
    assert_eq!(found(&service, &job).await.len(), wallets.len());
    assert_eq!(server.number("postgres", LISTENERS).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_before_the_replica_that_mixes_up_answers_is_refused_and_never_taken_into_use() {
    let Some(pgbouncer) = of_the_system() else { return };
    let (primary, direct) = server().await;
    let replica = primary.replica().await.unwrap();
    let mode = ["pool_mode = transaction"];
    let mut pooler = PgBouncer::start(&pgbouncer, replica.port(), &mode).await.unwrap();
    let url = pooler.url("behind");
    let refused = check_answers("database.read_url", &url, PATIENCE).await.unwrap_err();
    assert!(refused.to_string().contains("at database.read_url mixes up"), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    let serve = || {
        let mut command = program(folder.path());
        configured(&mut command, &direct);
        command.env("PNL_DATABASE__READ_URL", &url);
        command.env("PNL_API__PORT", "0").env("PNL_ADMIN__PORT", "0");
        command
    };
    let done = run(serve().arg("serve"), "");
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("the connection pooler at database.read_url mixes up"), "{said}");

    // Away at the start, it is found out when it comes.
    pooler.kill().await.unwrap();
    let service = Service::start(serve());
    pooler.start_again().await.unwrap();
    let health = format!("{}/api/health/detailed", service.address);
    wait::until("the pooler is found out", PATIENCE, async || {
        let (_, body) = get(&health).await;
        let checks = body["checks"].as_array().cloned().unwrap_or_default();
        let replica = checks.into_iter().find(|check| check["name"] == "replica");
        let detail = replica.and_then(|check| check["detail"].as_str().map(ToOwned::to_owned));
        let detail = detail.unwrap_or_default();
        anyhow::ensure!(!detail.starts_with("replica-in-use"), "it is read through");
        Ok((detail == "replica-mixes-answers").then_some(()))
    })
    .await
    .unwrap();
    let (status, _) = get(&format!("{}/api/pnl/results", service.address)).await;
    assert_eq!(status, 200, "the primary answers");
}
