//! Redis, on a real server.

use persistence_layer::redis::Redis;

#[tokio::test]
async fn a_real_redis_answers() {
    let url = std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL must name a throw-away Redis; `make test` starts one");
    let redis = Redis::connect(&url).await.unwrap();
    assert!(redis.ping().await.unwrap().as_secs() < 2);
    let clone = redis.clone();
    assert!(tokio::spawn(async move { clone.ping().await.is_ok() }).await.unwrap());
}

#[tokio::test]
async fn an_absent_redis_is_an_error_that_may_pass() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Redis::connect(&format!("redis://127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!(error.code(), "redis-unavailable");
    assert!(error.is_transient());
}
