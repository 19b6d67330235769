//! Behind a PgBouncer, as the system's packages have it.

use std::process::Command;

use load_tests::service::{PgBouncer, PostgresServer};
use persistence_layer::pooler::{PoolerError, check_answers, check_sessions};

use crate::support::{PATIENCE, Service, get, program, run, text};

/// A server with a database, and its URL; `None` when no PgBouncer is installed.
async fn server() -> Option<(PostgresServer, String)> {
    if PgBouncer::version().is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "pgbouncer is not installed: scripts/setup.sh --tests"
        );
        eprintln!("SKIPPED: pgbouncer is not installed (scripts/setup.sh --tests)");
        return None;
    }
    let server = PostgresServer::start(&[]).await.unwrap();
    let url = server.create_database("behind").await.unwrap();
    Some((server, url))
}

/// Whether the installed one knows of prepared statements.
fn tells_statements_apart() -> bool {
    let version = PgBouncer::version().unwrap();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or_default());
    (numbers.next(), numbers.next()) >= (Some(1), Some(21))
}

fn configured(command: &mut Command, url: &str) {
    command
        .env("DATABASE_URL", url)
        .env("PNL_DATABASE__MAX_CONNECTIONS", "10")
        .env("PNL_DATABASE__MIN_CONNECTIONS", "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_mixes_up_answers_is_refused_with_what_to_do() {
    let Some((server, direct)) = server().await else { return };
    let mut settings = vec!["pool_mode = transaction"];
    if tells_statements_apart() {
        settings.push("max_prepared_statements = 0");
    }
    let pooler = PgBouncer::start(&server, &settings).await.unwrap();
    let url = pooler.url("behind");
    // Each time, not by chance.
    for _ in 0..5 {
        let refused = check_answers(&url, PATIENCE).await.unwrap_err();
        assert!(matches!(refused, PoolerError::MixesAnswers(_)), "{refused}");
    }
    check_answers(&direct, PATIENCE).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_direct_url_that_leads_to_a_pooler_is_refused() {
    let Some((server, direct)) = server().await else { return };
    let pooler = PgBouncer::start(&server, &["pool_mode = transaction"]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    configured(&mut command, &direct);
    let done =
        run(command.env("PNL_DATABASE__DIRECT_URL", pooler.url("behind")).arg("migrate"), "");
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("database.direct_url leads to a connection pooler"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_works_behind_a_pooler_that_keeps_clients_apart() {
    let Some((server, direct)) = server().await else { return };
    let mode: &[&str] = if tells_statements_apart() {
        &["pool_mode = transaction", "max_prepared_statements = 200"]
    } else {
        &["pool_mode = session", "default_pool_size = 40"]
    };
    let pooler = PgBouncer::start(&server, mode).await.unwrap();
    let url = pooler.url("behind");
    check_answers(&url, PATIENCE).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    configured(&mut command, &url);
    command.env("PNL_DATABASE__DIRECT_URL", &direct);
    let mut service = Service::start(command);
    let (status, body) = get(&format!("{}/api/pnl/results", service.address)).await;
    assert_eq!((status, &body["summary"]["total_wallets"]), (200, &0.into()), "{body}");
    // Whoever listens does so past the pooler.
    let listens =
        "select count(*) from pg_stat_activity where query like 'LISTEN%' and client_port <> -1";
    assert_eq!(server.number("postgres", listens).await.unwrap(), 1);
    service.signal("TERM");
    service.ends_with(0);
}
