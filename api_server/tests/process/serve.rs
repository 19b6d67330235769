//! `serve`: start, readiness, signals, stop.

use std::time::{Duration, Instant};

use load_tests::{FaultKind, Faults};
use persistence_layer::test_util::TestDatabase;
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Service, client, configured, demo_node, demo_wallets, get, program,
};

#[tokio::test(flavor = "multi_thread")]
async fn without_any_configuration_it_serves_and_stops_with_its_own_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(program(folder.path()));
    let (status, ready) = get(&format!("{}/api/health", service.address)).await;
    assert_eq!(status, 200, "{ready}");
    let (_, page) = get(&format!("{}/api/services/status", service.address)).await;
    assert_eq!(page["providers"][0]["name"], "public", "{page}");
    let (status, _) = get(&format!("{}/health", service.admin)).await;
    assert_eq!(status, 200);
    let wallet = "Config1111111111111111111111111111111111111";
    let body = json!({"wallet_addresses": [wallet], "chain": "base"});
    let url = format!("{}/api/pnl/batch/run", service.address);
    let refused = client().post(url).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 422, "no provider of Base is configured");

    service.signal("TERM");
    service.ends_with(0);
    assert!(client().get(format!("{}/health", service.address)).send().await.is_err());
    // The server that it started is gone with it, and the data is there for the next start.
    let mut again = Service::start(program(folder.path()));
    let (status, _) = get(&format!("{}/api/health/db", again.address)).await;
    assert_eq!(status, 200);
    again.signal("INT");
    again.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_id_leads_from_the_request_to_the_last_line_of_its_wallets() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("PNL_LOG__FORMAT", "json");
    let mut service = Service::start(command);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let accepted = client()
        .post(format!("{}/api/pnl/batch/run", service.address))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let accepted: Value = accepted.json().await.unwrap();
    let status_url = format!("{}{}", service.address, accepted["status_url"].as_str().unwrap());
    let begun = Instant::now();
    while get(&status_url).await.1["done"] == false {
        assert!(begun.elapsed() < PATIENCE, "{}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let job = accepted["job_id"].as_str().unwrap();
    let events = format!("{}/api/pnl/batch/{job}/events?after=0", service.address);
    let events = client().get(events).send().await.unwrap().text().await.unwrap();
    let told = format!("\"traceid\":\"{trace}\"");
    let of_log = events.lines().filter(|line| line.starts_with("data: ") && line.contains(&told));
    assert_eq!(of_log.count(), 1 + 4 + 1, "the start, each wallet, the end: {events}");
    let span = &job.replace('-', "")[16..];
    let told = format!("\"traceparent\":\"00-{trace}-{span}-01\"");
    assert_eq!(events.matches(&told).count(), events.matches("\"traceid\"").count(), "{events}");
    assert_eq!(get(&format!("{}/health", service.address)).await.0, 200);
    service.signal("TERM");
    service.ends_with(0);

    let log = service.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |message: &str| {
        let told = |line: &&Value| line["message"] == message && line["trace_id"] == trace;
        lines.iter().filter(told).count()
    };
    assert_eq!(count("request answered"), 1, "{log}");
    assert_eq!(count("batch accepted"), 1, "{log}");
    assert_eq!(count("acquired processing slot"), 4, "{log}");
    assert_eq!(count("wallet done"), 4, "{log}");
    let answered = lines.iter().find(|line| line["trace_id"] == trace).unwrap();
    assert_eq!(answered["route"], "/api/pnl/batch/run", "{answered}");
    assert!(lines.iter().all(|line| line["route"] != "/health"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_drains_and_the_second_ends_at_once() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let mut service = Service::start(command);
    node.set_faults(Faults::always(FaultKind::Hang));
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let url = format!("{}/api/pnl/batch/run", service.address);
    let accepted = client().post(&url).json(&body).send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    let accepted: Value = accepted.json().await.unwrap();
    let status_url = format!("{}{}", service.address, accepted["status_url"].as_str().unwrap());
    let begun = Instant::now();
    while get(&status_url).await.1["counts"]["running"] == 0 {
        assert!(begun.elapsed() < PATIENCE, "no wallet is claimed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    service.signal("TERM");
    let health = format!("{}/api/health", service.address);
    let begun = Instant::now();
    loop {
        let (status, problem) = get(&health).await;
        if status == 503 {
            assert_eq!(problem["code"], "not-ready", "{problem}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "readiness stays");
    }
    assert!(service.child.try_wait().unwrap().is_none(), "it waits for its wallets");
    let begun = Instant::now();
    service.signal("TERM");
    service.ends_with(143);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn wallets_that_do_not_end_in_time_are_released_and_it_exits_cleanly() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("PNL_WORKER__SHUTDOWN_GRACE_SECONDS", "1");
    let mut service = Service::start(command);
    node.set_faults(Faults::always(FaultKind::Hang));
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let url = format!("{}/api/pnl/batch/run", service.address);
    assert_eq!(client().post(&url).json(&body).send().await.unwrap().status(), 202);
    tokio::time::sleep(Duration::from_millis(500)).await;
    service.signal("TERM");
    service.ends_with(0);

    // Another process finishes the job.
    node.set_faults(Faults::default());
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let service = Service::start(command);
    let begun = Instant::now();
    loop {
        let (_, jobs) = get(&format!("{}/api/pnl/batch", service.address)).await;
        if jobs["data"][0]["done"] == true {
            assert_eq!(jobs["data"][0]["status"], "completed", "{jobs}");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{jobs}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_that_was_away_at_the_start_comes_back_and_the_process_reports_itself() {
    let Ok(real) = std::env::var("TEST_REDIS_URL") else {
        assert!(std::env::var_os("CI").is_none(), "TEST_REDIS_URL must be set in CI");
        return println!("SKIPPED: TEST_REDIS_URL is not set");
    };
    let real = real.trim_start_matches("redis://").split('/').next().unwrap().to_owned();
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    // Nobody listens here yet, and nobody else takes the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = closed.local_addr().unwrap();
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("REDIS_URL", format!("redis://{address}"));
    let mut service = Service::start(command);

    let down = redis_becomes(&service, "down").await;
    assert_eq!(down["detail"], "redis-unavailable", "{down}");
    let (status, health) = get(&format!("{}/api/health/detailed", service.address)).await;
    assert_eq!(status, 200, "Redis is never required: {health}");

    let listener = closed.listen(16).unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(&real).await.unwrap();
            tokio::spawn(
                async move { tokio::io::copy_bidirectional(&mut client, &mut server).await },
            );
        }
    });
    let up = redis_becomes(&service, "up").await;
    assert!(up["since"].as_str() > down["since"].as_str(), "{up} {down}");
    let reports = "select count(*) from processes where role = 'all' and slots > 0";
    assert_eq!(database.number(reports).await, 1);

    service.signal("TERM");
    service.ends_with(0);
    assert_eq!(database.number("select count(*) from processes").await, 0);
}

/// Waits until the status page shows Redis in `state`; gives its entry.
async fn redis_becomes(service: &Service, state: &str) -> Value {
    let begun = Instant::now();
    loop {
        let (_, page) = get(&format!("{}/api/services/status", service.address)).await;
        let redis = page["services"].as_array().unwrap().iter().find(|one| one["name"] == "redis");
        match redis {
            Some(redis) if redis["state"] == state => return redis.clone(),
            _ => assert!(begun.elapsed() < PATIENCE, "{page}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
