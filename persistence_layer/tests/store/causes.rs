//! A sick database names its disease.

use std::time::Duration;

use persistence_layer::batches::{self, Admission};
use persistence_layer::chain_data;
use persistence_layer::test_util::TestDatabase;
use persistence_layer::{Cause, Store, StoreError, StoreSettings};
use pnl_core::{Chain, TxId};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};

use crate::support::{batch, claim_one, finish, finished, new_batch, submit};

fn quick(url: &str) -> StoreSettings {
    StoreSettings {
        url: url.to_owned(),
        max_connections: 4,
        min_connections: 0,
        acquire_timeout: Duration::from_secs(2),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_secs(10),
    }
}

fn cause(outcome: Result<impl Sized, StoreError>) -> Cause {
    let error = outcome.map(|_| ()).unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    error.cause().unwrap_or_else(|| panic!("{error:?} has a cause"))
}

#[tokio::test]
async fn a_read_only_database_is_named_and_nothing_is_lost_when_it_passes() {
    let database = TestDatabase::create().await;
    let id = submit(database.store(), 0..1).await;
    let lease = claim_one(database.store()).await;
    let mut connection = database.connection().await;
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut connection).await.unwrap();
    let set = |to: &str| {
        AssertSqlSafe(format!("alter database {name} set default_transaction_read_only = {to}"))
    };
    connection.execute(set("on")).await.unwrap();
    let store = database.second_store().await;
    assert_eq!(cause(store.diagnose().await.map_err(|trouble| trouble.error)), Cause::ReadOnly);
    let submitted = batches::submit(&store, &new_batch(5..6), Admission::rejecting(3)).await;
    assert_eq!(cause(submitted), Cause::ReadOnly);
    let report = finished();
    let ended = persistence_layer::wallet_tasks::finish(&store, &lease, report).await;
    assert_eq!(cause(ended), Cause::ReadOnly);
    // Reading goes on, and tells the truth.
    assert_eq!(batch(&store, id).await.counts.running, 1);
    store.close().await;
    connection.execute("set default_transaction_read_only = off").await.unwrap();
    connection.execute(set("off")).await.unwrap();
    let store = database.second_store().await;
    store.diagnose().await.unwrap();
    finish(&store, &lease).await;
    assert!(batch(&store, id).await.state.is_terminal());
    store.close().await;
}

#[tokio::test]
async fn a_server_without_further_connections_is_named() {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    let role = format!("few_{}", uuid::Uuid::new_v4().simple());
    // The limit of a role answers like that of the server.
    let make = format!("create role {role} login connection limit 1");
    connection.execute(AssertSqlSafe(make)).await.unwrap();
    let grant = format!("grant all on all tables in schema public to {role}");
    connection.execute(AssertSqlSafe(grant)).await.unwrap();
    let options: PgConnectOptions = database.url().parse().unwrap();
    let url = options.username(&role).to_url_lossy().to_string();
    let store = Store::connect(&quick(&url)).await.unwrap();
    store.ping().await.unwrap();
    // The one connection is back in the pool: who comes earlier would ask for a second one already.
    while store.pool().idle == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The one connection is in use; the pool wants a second one.
    let mut held = connection.begin().await.unwrap();
    held.execute("select id from admission for update").await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { batches::submit(&store, &new_batch(0..1), Admission::rejecting(3)).await }
    });
    loop {
        let locked: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut *held)
        .await
        .unwrap();
        if locked == 1 {
            break;
        }
        assert!(!waiting.is_finished(), "{:?}", waiting.await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Whatever a call wants the connection for, and whoever of them has asked the server.
    let ids = [TxId::new("a")];
    let (first, second, read) = tokio::join!(
        store.ping(),
        store.ping(),
        chain_data::transactions(&store, Chain::Solana, &ids)
    );
    assert_eq!(cause(first), Cause::NoConnections);
    assert_eq!(cause(second), Cause::NoConnections);
    assert_eq!(cause(read), Cause::NoConnections);
    held.commit().await.unwrap();
    waiting.await.unwrap().unwrap();
    // Once the connection is back in the pool, it serves on.
    while store.ping().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.close().await;
    connection
        .execute(AssertSqlSafe(format!("drop owned by {role}; drop role {role}")))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_pool_that_is_all_in_use_says_so() {
    let database = TestDatabase::create().await;
    let settings = StoreSettings { max_connections: 1, ..quick(database.url()) };
    let store = Store::connect(&settings).await.unwrap();
    let mut connection = database.connection().await;
    let mut held = connection.begin().await.unwrap();
    held.execute("select id from admission for update").await.unwrap();
    let (first, second) = (new_batch(0..1), new_batch(1..2));
    let admission = Admission::rejecting(3);
    let release = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        held.commit().await.unwrap();
    };
    let (first, second, ()) = tokio::join!(
        batches::submit(&store, &first, admission),
        batches::submit(&store, &second, admission),
        release
    );
    let refused =
        [first, second].into_iter().find(Result::is_err).expect("one found no connection");
    assert_eq!(cause(refused), Cause::PoolExhausted);
    store.close().await;
}

#[tokio::test]
async fn a_session_that_the_server_ends_and_a_server_that_is_gone_are_named() {
    let database = TestDatabase::create().await;
    let mut connection = database.connection().await;
    let mut held = connection.begin().await.unwrap();
    held.execute("select id from admission for update").await.unwrap();
    let ended = tokio::spawn({
        let store = database.store().clone();
        async move { batches::submit(&store, &new_batch(0..1), Admission::rejecting(3)).await }
    });
    loop {
        let terminated: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut *held)
        .await
        .unwrap();
        if terminated > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // 57P01: what a shutdown says to every session.
    assert_eq!(cause(ended.await.unwrap()), Cause::Restarting);
    held.commit().await.unwrap();

    // A server whose port is closed: through a forwarder that is taken away.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options: PgConnectOptions = database.url().parse().unwrap();
    let upstream = (options.get_host().to_owned(), options.get_port());
    let through = options.host("127.0.0.1").port(listener.local_addr().unwrap().port());
    let forwarder = tokio::spawn(async move {
        let mut passing = tokio::task::JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(upstream.clone()).await.unwrap();
            passing.spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let store = Store::connect(&quick(through.to_url_lossy().as_str())).await.unwrap();
    store.ping().await.unwrap();
    forwarder.abort();
    let _ = forwarder.await;
    assert_eq!(cause(store.ping().await), Cause::Unreachable);
    assert_eq!(cause(store.diagnose().await.map_err(|trouble| trouble.error)), Cause::Unreachable);
    store.close().await;
}
