//! Redis, on a real server.

use persistence_layer::redis::Redis;

#[tokio::test]
async fn a_real_redis_answers() {
    let url = std::env::var("TEST_REDIS_URL")
        .expect("TEST_REDIS_URL must name a throw-away Redis; `make test` starts one");
    let redis = Redis::connect(&url).await.unwrap();
    assert!(redis.probe().await.unwrap().as_secs() < 2);
    let clone = redis.clone();
    assert!(tokio::spawn(async move { clone.probe().await.is_ok() }).await.unwrap());
}

/// As a replica, and as a server that is out of memory: it answers, and refuses to write.
#[tokio::test]
async fn a_redis_that_takes_no_writes_is_of_no_use() {
    let url = std::env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL must name a throw-away Redis");
    let user = format!("reader{}", std::process::id());
    let mut admin = redis::Client::open(url.as_str())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut acl = redis::cmd("ACL");
    acl.arg("SETUSER").arg(&user).arg(&["on", ">secret", "~*", "+@all", "-@write"][..]);
    acl.query_async::<()>(&mut admin).await.unwrap();
    let redis = Redis::connect(&url.replace("://", &format!("://{user}:secret@"))).await.unwrap();
    let error = redis.probe().await.unwrap_err();
    redis::cmd("ACL").arg("DELUSER").arg(&user).query_async::<()>(&mut admin).await.unwrap();
    assert_eq!(error.code(), "redis-unavailable");
}

#[tokio::test]
async fn an_absent_redis_is_an_error_that_may_pass() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Redis::connect(&format!("redis://127.0.0.1:{port}")).await.unwrap_err();
    assert_eq!(error.code(), "redis-unavailable");
    assert!(error.is_transient());
}
