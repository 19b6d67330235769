//! Continuous mode across the death of a process.

use std::time::{Duration, Instant};

use load_tests::{FaultKind, Faults};
use persistence_layer::test_util::TestDatabase;
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Service, client, configured, demo_node, demo_wallets, get, program,
};

/// The only watched wallet, once `is_so` holds for it.
async fn wait_for(service: &Service, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let (_, page) = get(&format!("{}/api/pnl/watched", service.address)).await;
        let row = &page["data"][0];
        if is_so(row) {
            return row.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{page}\n{}", service.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_wallet_of_a_killed_process_is_analyzed_by_the_next_one() {
    let database = TestDatabase::create().await;
    let node = demo_node().await;
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.env("PNL_WORKER__LEASE_SECONDS", "1");
        Service::start(command)
    };
    node.set_faults(Faults::always(FaultKind::Hang));
    let first = start();
    let client = client();
    let body = json!({"wallet_addresses": [demo_wallets()[0]], "chain": "solana"});
    let add = format!("{}/api/pnl/watched/add", first.address);
    assert_eq!(client.post(add).json(&body).send().await.unwrap().status(), 200);
    let order = format!("{}/api/services/continuous/start", first.address);
    assert_eq!(client.post(order).send().await.unwrap().status(), 202);
    let begun = Instant::now();
    while database.number("select count(*) from wallet_tasks where state = 'running'").await == 0 {
        assert!(begun.elapsed() < PATIENCE, "{}", first.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let row = wait_for(&first, |row| row["state"] == "running").await;
    first.signal("KILL");
    drop(first);
    node.set_faults(Faults::default());

    let second = start();
    let done = wait_for(&second, |row| row["last_round"]["status"] == "done").await;
    assert_eq!(done["last_round"]["job_id"], row["job_id"], "the same round");
    let attempts = "select count(*) from wallet_attempts where outcome = 'done'";
    assert_eq!(database.number(attempts).await, 1);
    let (_, status) = get(&format!("{}/api/services/status", second.address)).await;
    let continuous = &status["continuous"];
    assert_eq!((&continuous["enabled"], &continuous["processed"]), (&json!(true), &json!(1)));
}
