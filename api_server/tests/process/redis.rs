//! With a Redis that goes and comes.

use load_tests::service::{Client, PostgresServer, RedisServer, wait};

use crate::support::{PATIENCE, Service, client, demo_node, demo_wallets, program, with_chain};

/// Status and `X-Cache` of an answer, and what it says.
async fn ask(service: &Service, path: &str) -> (u16, String, String) {
    let answer = client().get(format!("{}{path}", service.address)).send().await.unwrap();
    let found = answer.headers().get("x-cache").map(|found| found.to_str().unwrap().to_owned());
    (answer.status().as_u16(), found.unwrap_or_default(), answer.text().await.unwrap())
}

async fn is_seen(service: &Service) {
    wait::until("Redis is seen", PATIENCE, async || {
        let (_, _, health) = ask(service, "/api/health/detailed").await;
        let health: serde_json::Value = serde_json::from_str(&health)?;
        let mut checks = health["checks"].as_array().unwrap().iter();
        let is_up = checks.any(|check| check["name"] == "redis" && check["state"] == "up");
        Ok(is_up.then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_made_while_redis_is_away_says_so() {
    let (server, mut redis) =
        (PostgresServer::start(&[]).await.unwrap(), RedisServer::start().await.unwrap());
    let url = server.create_database("redis").await.unwrap();
    let node = demo_node().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = folders.each_ref().map(|folder| {
        let mut command = program(folder.path());
        with_chain(&mut command, &url, &node);
        command.env("PNL_REDIS__URL", redis.url()).env("PNL_CACHE__WARM_UP_ANSWERS", "0");
        Service::start(command)
    });
    let wallets = demo_wallets();
    let clients = Client::new(&one.address);
    let job = clients.submit(&wallets[..1]).await.unwrap().job_id;
    clients.job_end(&job, PATIENCE).await.unwrap();
    is_seen(&one).await;
    is_seen(&two).await;
    let path =
        |method: &str| format!("/api/v2/wallets/{}/pnl?chain=solana&method={method}", wallets[0]);
    let made = ask(&one, &path("fifo")).await;
    assert_eq!((made.0, made.1.as_str()), (200, "MISS"), "{}", made.2);
    let expected = (200, "HIT".to_owned(), made.2);
    wait::until("it is shared", PATIENCE, async || {
        Ok(redis.keys().await?.iter().any(|key| key.starts_with("pnl:answer:")).then_some(()))
    })
    .await
    .unwrap();
    // From Redis, and then from the process itself.
    for _ in 0..2 {
        assert_eq!(ask(&two, &path("fifo")).await, expected);
    }
    let metrics = client().get(format!("{}/metrics", two.admin)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for layer in ["process", "redis"] {
        let line = format!("http_kept_hits_total{{layer=\"{layer}\"}} 1");
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }

    redis.kill().await.unwrap();
    let lifo = ask(&one, &path("lifo")).await;
    assert_eq!((lifo.0, lifo.1.as_str()), (200, "BYPASS"), "{}", lifo.2);
    // What the process keeps is given all the same.
    assert_eq!(ask(&one, &path("lifo")).await, (200, "HIT".to_owned(), lifo.2));
    assert_eq!(ask(&one, &path("fifo")).await, expected);

    redis.start_again().await.unwrap();
    let mut asked = 0;
    wait::until("answers are looked for in Redis again", PATIENCE, async || {
        asked += 1;
        let ledger = format!("/api/v2/wallets/{}/ledger?chain=solana&limit={asked}", wallets[0]);
        let (status, found, _) = ask(&one, &ledger).await;
        anyhow::ensure!(status == 200 && ["MISS", "BYPASS"].contains(&found.as_str()), "{found}");
        Ok((found == "MISS").then_some(()))
    })
    .await
    .unwrap();
}

/// Has all processes forget what is kept of `tag`, as asked of this one; gives how many answers it had.
async fn purge(service: &Service, tag: &str) -> u64 {
    let url = format!("{}/api/performance/cache/purge", service.address);
    let asked = client().post(url).json(&serde_json::json!({"tags": [tag]})).send().await.unwrap();
    let (status, text) = (asked.status().as_u16(), asked.text().await.unwrap());
    assert_eq!(status, 202, "{text}");
    let body: serde_json::Value = serde_json::from_str(&text).unwrap();
    body["evicted"]["answers"].as_u64().unwrap()
}

/// Waits until the answer is found so.
async fn is_found(service: &Service, path: &str, expected: &str) {
    wait::until(&format!("{path} is {expected}"), PATIENCE, async || {
        let (status, found, text) = ask(service, path).await;
        anyhow::ensure!(status == 200, "{status}: {text}");
        Ok((found == expected).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_reaches_every_process_with_and_without_redis() {
    let (server, mut redis) =
        (PostgresServer::start(&[]).await.unwrap(), RedisServer::start().await.unwrap());
    let url = server.create_database("purge").await.unwrap();
    let node = demo_node().await;
    let folders: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let start = |folder: &tempfile::TempDir| {
        let mut command = program(folder.path());
        with_chain(&mut command, &url, &node);
        command.env("PNL_REDIS__URL", redis.url()).env("PNL_CACHE__WARM_UP_ANSWERS", "0");
        Service::start(command)
    };
    let [one, two] = [start(&folders[0]), start(&folders[1])];
    let wallets = demo_wallets();
    let clients = Client::new(&one.address);
    let job = clients.submit(&wallets[..2]).await.unwrap().job_id;
    clients.job_end(&job, PATIENCE).await.unwrap();
    is_seen(&one).await;
    is_seen(&two).await;
    let [purged, stays] =
        [0, 1].map(|n| format!("/api/v2/wallets/{}/pnl?chain=solana", wallets[n]));
    for path in [&purged, &stays] {
        assert_eq!(ask(&one, path).await.1, "MISS");
        is_found(&two, path, "HIT").await;
    }
    let keys = redis.keys().await.unwrap();
    let shared = keys.iter().filter(|key| key.starts_with("pnl:answer:"));
    assert_eq!(shared.count(), 2, "both are shared");

    // The process that is asked forgets at once, the other one when it looks, and both find what is made after that.
    assert_eq!(purge(&two, &format!("wallet:sol:{}", wallets[0])).await, 1);
    wait::until("Redis has forgotten it", PATIENCE, async || {
        Ok((!redis.keys().await?.iter().any(|key| key.contains(&wallets[0]))).then_some(()))
    })
    .await
    .unwrap();
    is_found(&one, &purged, "MISS").await;
    is_found(&two, &purged, "HIT").await;
    for service in [&one, &two] {
        assert_eq!(ask(service, &stays).await.1, "HIT", "another wallet stays");
    }
    // One that starts later knows of the purge: it finds what was made after it.
    let three = start(&folders[2]);
    is_seen(&three).await;
    assert_eq!(ask(&three, &purged).await.1, "HIT");

    redis.kill().await.unwrap();
    // The wallets of one and two.
    assert_eq!(purge(&two, "everything").await, 2);
    for service in [&two, &one, &three] {
        is_found(service, &purged, "BYPASS").await;
    }
}
