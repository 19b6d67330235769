//! Reads from a streaming replica: near, far behind, gone.

use std::time::Duration;

use load_tests::service::{PostgresServer, wait};
use persistence_layer::results::{refresh, summary};
use persistence_layer::{ReplicaSettings, ReplicaState, Store, StoreSettings, Tenant, server};
use tokio_util::sync::CancellationToken;

use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Service, client, demo_node, demo_wallets, get, program, with_chain,
};

fn settings(url: &str) -> StoreSettings {
    StoreSettings {
        url: url.to_owned(),
        max_connections: 5,
        min_connections: 1,
        acquire_timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(600),
        max_lifetime: Duration::from_secs(1800),
        statement_timeout: Duration::from_secs(60),
    }
}

/// A store on the primary that reads from `replica` while it is at most two seconds behind.
async fn connect(primary: &str, replica: &str, stop: &CancellationToken) -> Store {
    let primary = settings(primary);
    let replica = ReplicaSettings {
        url: replica.to_owned(),
        max_connections: 3,
        max_lag: Duration::from_secs(2),
    };
    let store = Store::connect(&primary).await.unwrap();
    store.with_replica(&replica, &primary, stop.clone()).unwrap()
}

async fn until(store: &Store, what: &str, is_so: fn(ReplicaState) -> bool) {
    wait::until(what, PATIENCE, async || Ok(store.replica().filter(|state| is_so(*state))))
        .await
        .unwrap();
}

/// Whether reads go to the replica now, and an answer from wherever they go.
async fn reads_the_replica(store: &Store) -> bool {
    let reading = store.reading();
    summary(&reading, &Tenant::default(), None).await.unwrap();
    server::facts(&reading).await.unwrap().is_replica
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_read_while_it_is_near_and_the_primary_else() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    let url = primary.create_database("read").await.unwrap();
    Store::connect(&settings(&url)).await.unwrap().migrate().await.unwrap();
    let mut replica = primary.replica().await.unwrap();
    let stop = CancellationToken::new();
    let store = connect(&url, &replica.url("read"), &stop).await;
    until(&store, "the replica", |state| matches!(state, ReplicaState::InUse(_))).await;
    assert!(reads_the_replica(&store).await);
    assert!(!server::facts(&store).await.unwrap().is_replica, "the store itself is the primary");

    // Not before it has all that is stored by now.
    store.clone().avoid_replica_for_now();
    assert!(!reads_the_replica(&store).await);
    assert!(matches!(store.replica(), Some(ReplicaState::InUse(_))));
    wait::until("the replica to be read again", PATIENCE, async || {
        Ok(reads_the_replica(&store).await.then_some(()))
    })
    .await
    .unwrap();

    // Far behind: it replays nothing of what is written.
    replica.psql("read", "select pg_wal_replay_pause()").await.unwrap();
    refresh(&store).await.unwrap();
    until(&store, "a replica behind", |state| matches!(state, ReplicaState::Behind(_))).await;
    assert!(!reads_the_replica(&store).await);
    replica.psql("read", "select pg_wal_replay_resume()").await.unwrap();
    until(&store, "the replica again", |state| matches!(state, ReplicaState::InUse(_))).await;

    // Gone between a look and a read: whoever was to read it is answered by the primary.
    let reading = store.reading();
    replica.kill().await.unwrap();
    for _ in 0..3 {
        summary(&reading, &Tenant::default(), None).await.unwrap();
        assert!(!server::facts(&reading).await.unwrap().is_replica);
    }
    until(&store, "a replica away", |state| state == ReplicaState::Away).await;
    assert!(!reads_the_replica(&store).await);
    replica.start_again().await.unwrap();
    until(&store, "the replica back", |state| matches!(state, ReplicaState::InUse(_))).await;
    stop.cancel();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_replica_of_the_database_is_not_read() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    let url = primary.create_database("read").await.unwrap();
    primary.create_database("other").await.unwrap();
    let replica = primary.replica().await.unwrap();
    let stop = CancellationToken::new();
    for (read, state) in [
        (url.clone(), ReplicaState::NotAReplica),
        (replica.url("other"), ReplicaState::OfAnother),
        ("postgres://pnl@127.0.0.1:1/read".to_owned(), ReplicaState::Away),
    ] {
        let store = connect(&url, &read, &stop).await;
        // It begins as away, so what it is not is waited for.
        wait::until(state.code(), PATIENCE, async || {
            Ok(store.replica().filter(|found| *found == state))
        })
        .await
        .unwrap();
        assert!(!server::facts(&store.reading()).await.unwrap().is_replica);
        store.close().await;
    }
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_while_the_replica_is_killed() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    let url = primary.create_database("read").await.unwrap();
    let mut replica = primary.replica().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command
        .env("DATABASE_URL", &url)
        .env("PNL_DATABASE__MAX_CONNECTIONS", "10")
        .env("PNL_DATABASE__MIN_CONNECTIONS", "1")
        .env("PNL_DATABASE__READ_URL", replica.url("read"));
    let service = Service::start(command);
    shows(&service, "up").await;
    let results = format!("{}/api/pnl/results", service.address);
    assert_eq!(get(&results).await.0, 200);
    replica.kill().await.unwrap();
    for _ in 0..5 {
        let (status, body) = get(&results).await;
        assert_eq!(status, 200, "{body}");
    }
    shows(&service, "down").await;
    assert_eq!(replica_check(&service).await["required"], false);
    assert_eq!(get(&format!("{}/api/health", service.address)).await.0, 200);
    assert_eq!(get(&results).await.0, 200);
    let metrics = client_text(&format!("{}/metrics", service.admin)).await;
    assert!(metrics.lines().any(|line| line == "db_replica_in_use 0"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_answered_whose_ledger_the_replica_does_not_have_yet() {
    let primary = PostgresServer::start(&[]).await.unwrap();
    let url = primary.create_database("read").await.unwrap();
    Store::connect(&settings(&url)).await.unwrap().migrate().await.unwrap();
    let replica = primary.replica().await.unwrap();
    let (folder, node) = (tempfile::tempdir().unwrap(), demo_node().await);
    let mut command = program(folder.path());
    with_chain(&mut command, &url, &node);
    command
        .env("PNL_DATABASE__READ_URL", replica.url("read"))
        // So far that the replica is read although it stands still.
        .env("PNL_DATABASE__READ_MAX_LAG_SECONDS", "3600");
    let service = Service::start(command);
    shows(&service, "up").await;
    replica.psql("read", "select pg_wal_replay_pause()").await.unwrap();
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let run = format!("{}/api/pnl/batch/run", service.address);
    let job = client().post(run).json(&body).send().await.unwrap();
    let job: Value = job.json().await.unwrap();
    let status =
        format!("{}/api/pnl/batch/status/{}", service.address, job["job_id"].as_str().unwrap());
    wait::until("the job", PATIENCE, async || {
        let (_, status) = get(&status).await;
        Ok((status["status"] == "completed").then_some(()))
    })
    .await
    .unwrap();
    let results = format!("{}/api/pnl/results", service.address);
    assert_eq!(get(&results).await.1["summary"]["total_wallets"], 0, "read at the replica");
    for wallet in demo_wallets() {
        for view in ["pnl", "what-if"] {
            let url = format!("{}/api/v2/wallets/{wallet}/{view}?chain=solana", service.address);
            let (status, body) = get(&url).await;
            assert_eq!(status, 200, "{body}");
        }
    }
    replica.psql("read", "select pg_wal_replay_resume()").await.unwrap();
    wait::until("the results at the replica", PATIENCE, async || {
        let (_, page) = get(&results).await;
        Ok((page["summary"]["total_wallets"] == 4).then_some(()))
    })
    .await
    .unwrap();
}

async fn replica_check(service: &Service) -> Value {
    let (_, health) = get(&format!("{}/api/health/detailed", service.address)).await;
    let checks = health["checks"].as_array().unwrap().clone();
    checks.into_iter().find(|check| check["name"] == "replica").unwrap()
}

async fn shows(service: &Service, state: &str) {
    let look = async || Ok((replica_check(service).await["state"] == state).then_some(()));
    wait::until(state, PATIENCE, look).await.unwrap();
}

async fn client_text(url: &str) -> String {
    crate::support::client().get(url).send().await.unwrap().text().await.unwrap()
}
