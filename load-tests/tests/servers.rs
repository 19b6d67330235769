//! The throw-away servers that disturbed runs use.

use std::time::Duration;

use load_tests::service::{PostgresServer, RedisServer, Signal, StopMode};

#[tokio::test]
async fn a_postgres_keeps_its_data_over_stops_and_stands_still_when_frozen() {
    let mut server = PostgresServer::start(&["max_connections=20"]).await.unwrap();
    let url = server.create_database("kept").await.unwrap();
    assert!(url.ends_with("/kept") && !url.contains("postgres@"), "{url}");
    server.psql("kept", "create table facts as select 7 as fact").await.unwrap();
    for mode in [StopMode::Fast, StopMode::Immediate] {
        server.stop(mode).await.unwrap();
        assert!(server.psql("kept", "select 1").await.is_err());
        server.start_again().await.unwrap();
        assert_eq!(server.number("kept", "select fact from facts").await.unwrap(), 7);
    }
    server.freeze();
    let asked = server.psql("kept", "select 1");
    assert!(tokio::time::timeout(Duration::from_millis(500), asked).await.is_err());
    server.thaw();
    assert_eq!(server.number("kept", "select 1").await.unwrap(), 1);
    assert!(server.number("kept", "select 'seven'").await.is_err());
}

#[tokio::test]
async fn a_redis_answers_until_it_is_killed_and_again_empty() {
    if std::process::Command::new("redis-server").arg("--version").output().is_err() {
        eprintln!("SKIPPED: no redis-server");
        return;
    }
    let mut server = RedisServer::start().await.unwrap();
    server.command(&["SET", "a key", "value"]).await.unwrap();
    assert_eq!(server.keys().await.unwrap(), ["a key"]);
    assert!(server.command(&["LPUSH", "a key", "x"]).await.is_err(), "the wrong type is an error");
    assert!(server.signal(Signal::Stop) && server.signal(Signal::Cont));
    server.kill().await.unwrap();
    assert!(server.command(&["PING"]).await.is_err());
    server.start_again().await.unwrap();
    assert!(server.keys().await.unwrap().is_empty());
}
