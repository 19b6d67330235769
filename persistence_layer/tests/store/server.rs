//! The pool and its server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use persistence_layer::test_util::TestDatabase;
use persistence_layer::{Judgement, Store, StoreSettings};
use prometheus::Registry;

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
    let error = persistence_layer::batches::submit(&store, &new, 3).await.unwrap_err();
    assert_eq!(error.code(), "db-timeout");
    assert!(error.is_transient());
    held.commit().await.unwrap();
    // The connection serves on.
    assert!(persistence_layer::batches::submit(&store, &new, 3).await.is_ok());
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
    assert_eq!(error.code(), "db-unavailable");
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
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_read_only_server_is_unavailable() {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    // What a primary that became a replica says.
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut connection).await.unwrap();
    let sql = format!("alter database {name} set default_transaction_read_only = on");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let store = database.second_store().await;
    let new = crate::support::new_batch(0..1);
    let error = persistence_layer::batches::submit(&store, &new, 3).await.unwrap_err();
    assert_eq!(error.code(), "db-unavailable");
    store.close().await;
}
