//! The pool and its server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use persistence_layer::batches::{self, Admission};
use persistence_layer::test_util::TestDatabase;
use persistence_layer::{Judgement, Store, StoreSettings};
use prometheus::Registry;
use prometheus::core::Collector;
use sqlx::{ConnectOptions, Executor};

fn settings(url: &str) -> StoreSettings {
    StoreSettings {
        url: url.to_owned(),
        max_connections: 7,
        min_connections: 2,
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_secs(60),
    }
}

/// Collects log lines of one thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_pool_says_what_it_was_told_and_reports_itself() {
    let database = TestDatabase::create().await;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let store = Store::connect(&settings(database.url())).await.unwrap();
    drop(logging);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let expected =
        "PostgreSQL pool initialized: max_connections=7, min_connections=2, acquire_timeout=30s";
    assert!(text.contains(expected), "{text}");

    let pool = store.pool();
    assert_eq!(pool.max, 7);
    assert!(pool.size >= 1 && pool.idle <= pool.size);
    let registry = Registry::new();
    store.metrics().register(&registry).unwrap();
    let families = registry.gather();
    let value = |name: &str| {
        let family = families.iter().find(|family| family.name() == name).unwrap();
        family.get_metric()[0].get_gauge().get_value()
    };
    assert_eq!(value("db_pool_max").to_string(), "7");
    assert_eq!(value("db_pool_size").to_string(), store.pool().size.to_string());
    assert!(value("db_pool_idle") <= value("db_pool_size"));
    store.close().await;
}

#[tokio::test]
async fn who_waits_for_a_connection_is_counted() {
    let database = TestDatabase::with_connections(1).await;
    let store = database.store();
    let registry = Registry::new();
    store.metrics().register(&registry).unwrap();
    let waiting = || {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == "db_pool_waiting").unwrap();
        family.get_metric()[0].get_gauge().get_value().to_string()
    };
    assert_eq!(waiting(), "0");
    // Somebody sits on the row that every submit needs, so the one connection stays in use.
    let mut connection = database.connection().await;
    let mut held = sqlx::Connection::begin(&mut connection).await.unwrap();
    sqlx::query("select id from admission for update").execute(&mut *held).await.unwrap();
    let tasks: Vec<_> = (0..3)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { crate::support::submit(&store, n..n + 1).await })
        })
        .collect();
    while waiting() != "2" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    held.commit().await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(waiting(), "0");
}

#[tokio::test]
async fn no_secret_is_printed_with_the_store() {
    let database = TestDatabase::create().await;
    let printed = format!("{:?}", database.store());
    assert!(printed.contains("max: 10"), "{printed}");
    assert!(!printed.contains("password") && !printed.contains("host"), "{printed}");
}

#[tokio::test]
async fn the_names_of_all_metrics_are_known() {
    let database = TestDatabase::create().await;
    let metrics = database.store().metrics();
    let names: Vec<&str> =
        metrics.desc().into_iter().map(|described| described.fq_name.as_str()).collect();
    let expected = [
        "db_pool_size",
        "db_pool_idle",
        "db_pool_max",
        "db_pool_waiting",
        "db_transaction_retries_total",
    ];
    assert_eq!(names, expected);
}

/// Makes each insert of a batch fail with an SQLSTATE, the first `times` times.
async fn fail_inserts(database: &TestDatabase, (state, text): (&str, &str), times: u32) {
    let mut connection = database.connection().await;
    // A sequence is not rolled back with the transaction that failed.
    let sql = format!(
        "create sequence inserts;
         create function fail() returns trigger language plpgsql as $$
         begin
             if nextval('inserts') <= {times} then
                 raise exception '{text}' using errcode = '{state}';
             end if;
             return new;
         end $$;
         create trigger fail before insert on batches for each row execute function fail()"
    );
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_met_another_one_is_repeated_and_counted() {
    let database = TestDatabase::create().await;
    let store = database.store();
    fail_inserts(&database, ("40001", "made to fail"), 2).await;
    crate::support::submit(store, 0..1).await;
    let registry = Registry::new();
    store.metrics().register(&registry).unwrap();
    let families = registry.gather();
    let retries =
        families.iter().find(|family| family.name() == "db_transaction_retries_total").unwrap();
    let metric = &retries.get_metric()[0];
    assert_eq!(metric.get_label()[0].value(), "batches/submit");
    assert_eq!(metric.get_counter().get_value().to_string(), "2");
}

#[tokio::test]
async fn what_a_few_repeats_do_not_settle_is_unavailable() {
    let database = TestDatabase::create().await;
    fail_inserts(&database, ("40P01", "made to fail"), 1000).await;
    let new = crate::support::new_batch(0..1);
    let error = batches::submit(database.store(), &new, Admission::rejecting(3)).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("database-conflict", true));
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_not_repeated() {
    let database = TestDatabase::create().await;
    fail_inserts(&database, ("53100", "made to fail"), 1).await;
    let new = crate::support::new_batch(0..1);
    let error = batches::submit(database.store(), &new, Admission::rejecting(3)).await.unwrap_err();
    assert_eq!((error.code(), error.is_transient()), ("database-full", true));
    // It passes, and the same call succeeds.
    let again = batches::submit(database.store(), &new, Admission::rejecting(3)).await.unwrap();
    assert_eq!(again, persistence_layer::batches::Submitted::Accepted);
}

#[tokio::test]
async fn a_disk_is_known_by_words_where_the_server_has_no_code_for_it() {
    for (state, text, code) in [
        (
            "XX000",
            "could not create temporary file \"base/pgsql_tmp/1.0\": No space left on device",
            "database-full",
        ),
        ("42501", "could not open file \"base/5/2601\": Read-only file system", "database-failing"),
    ] {
        let database = TestDatabase::create().await;
        fail_inserts(&database, (state, text), 1).await;
        let new = crate::support::new_batch(0..1);
        let refused = batches::submit(database.store(), &new, Admission::rejecting(3)).await;
        let error = refused.unwrap_err();
        assert_eq!((error.code(), error.is_transient()), (code, true));
    }
}

#[tokio::test]
async fn a_session_that_is_refused_is_no_fault_of_a_statement() {
    let database = TestDatabase::create().await;
    let server: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let name = server.get_database().unwrap().to_owned();
    // A store whose first connection is let in, and no other one.
    let settings = StoreSettings { min_connections: 0, ..settings(database.url()) };
    let store = Store::connect(&settings).await.unwrap();
    let neighbour = TestDatabase::create().await;
    let mut other = neighbour.connection().await;
    let refuse = format!("alter database \"{name}\" allow_connections false");
    other.execute(sqlx::AssertSqlSafe(refuse)).await.unwrap();
    let cut =
        format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'");
    other.execute(sqlx::AssertSqlSafe(cut)).await.unwrap();
    let mut codes = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let error = store.server_budget().await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        codes.insert(error.code());
    }
    assert!(codes.contains("database-denied"), "{codes:?}");
    let trouble = store.diagnose().await.unwrap_err();
    assert_eq!((trouble.error.code(), trouble.is_connected), ("database-denied", false));
    let allow = format!("alter database \"{name}\" allow_connections true");
    other.execute(sqlx::AssertSqlSafe(allow)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let database = TestDatabase::create().await;
    // A proxy that passes everything on until it is told to swallow it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let upstream = (server.get_host().to_owned(), server.get_port());
    let through = server.port(listener.local_addr().unwrap().port()).host("127.0.0.1");
    let (silence, silent) = tokio::sync::watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(upstream.clone()).await.unwrap();
            let mut silent = silent.clone();
            tokio::spawn(async move {
                let told = async { silent.wait_for(|silent| *silent).await.is_ok() };
                let went_silent = tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => false,
                    went_silent = told => went_silent,
                };
                if went_silent {
                    // Both connections stay open; nothing passes.
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    let quick = StoreSettings {
        acquire_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
        ..settings(through.to_url_lossy().as_str())
    };
    let store = Store::connect(&quick).await.unwrap();
    store.ping().await.unwrap();
    silence.send(true).unwrap();
    let error = tokio::time::timeout(Duration::from_secs(20), store.ping()).await.unwrap();
    assert_eq!(error.unwrap_err().code(), "database-unreachable");
}

#[tokio::test]
async fn the_servers_budget_is_read_from_it() {
    let database = TestDatabase::create().await;
    let budget = database.store().server_budget().await.unwrap();
    let mut connection = database.connection().await;
    let (max, reserved): (String, String) = sqlx::query_as(
        "select current_setting('max_connections'), current_setting('superuser_reserved_connections')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(budget.max_connections.to_string(), max);
    assert!(budget.reserved >= reserved.parse().unwrap());
    assert!(matches!(budget.judge(budget.usable() + 1, 1000), Judgement::Refuse(_)));
}

#[tokio::test]
async fn a_statement_beyond_its_limit_is_cancelled_and_the_limit_stays_in_its_transaction() {
    let database = TestDatabase::create().await;
    let quick = StoreSettings {
        statement_timeout: Duration::from_millis(200),
        max_connections: 1,
        min_connections: 1,
        ..settings(database.url())
    };
    let store = Store::connect(&quick).await.unwrap();
    // Somebody sits on the row that every submit needs.
    let mut connection = database.connection().await;
    let mut held = sqlx::Connection::begin(&mut connection).await.unwrap();
    sqlx::query("select id from admission for update").execute(&mut *held).await.unwrap();
    let new = crate::support::new_batch(0..1);
    let error = batches::submit(&store, &new, Admission::rejecting(3)).await.unwrap_err();
    assert_eq!(error.code(), "database-timeout");
    assert!(error.is_transient());
    held.commit().await.unwrap();
    // The connection serves on.
    assert!(batches::submit(&store, &new, Admission::rejecting(3)).await.is_ok());
    assert!(store.ping().await.unwrap() < Duration::from_secs(30));
    store.close().await;
}

#[tokio::test]
async fn our_sessions_carry_our_name_and_nothing_else() {
    let database = TestDatabase::create().await;
    let store = database.store();
    store.ping().await.unwrap();
    let mut connection = database.connection().await;
    let others: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()
           and application_name <> 'pnl-tracker' and backend_type = 'client backend'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(others, 0);
}

#[tokio::test]
async fn a_server_that_is_gone_is_unavailable() {
    let database = TestDatabase::create().await;
    let store = database.store();
    store.close().await;
    let error = store.ping().await.unwrap_err();
    assert_eq!(error.code(), "database-unreachable");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_connection_that_the_server_ended_is_replaced() {
    let database = TestDatabase::create().await;
    let store = database.store();
    store.ping().await.unwrap();
    let mut connection = database.connection().await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    // One that was in use a moment ago is not asked again whether it stands.
    while let Err(error) = store.ping().await {
        assert!(error.is_transient(), "{error}");
    }
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_read_only_server_is_unavailable() {
    let database = TestDatabase::create().await;
    // What a primary that became a replica says.
    database.set_read_only(true).await;
    let store = database.second_store().await;
    let new = crate::support::new_batch(0..1);
    let error = batches::submit(&store, &new, Admission::rejecting(3)).await.unwrap_err();
    assert_eq!(error.code(), "database-read-only");
    store.close().await;
}

#[tokio::test]
async fn the_probe_of_writes_needs_room_on_the_disk() {
    let database = TestDatabase::create().await;
    let written = "select temp_bytes from pg_stat_database where datname = current_database()";
    let before = database.number(written).await;
    database.store().diagnose().await.unwrap();
    // The server counts when the session of the probe has gone.
    let begun = std::time::Instant::now();
    while database.number(written).await < before + 200_000 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it wrote no file");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
