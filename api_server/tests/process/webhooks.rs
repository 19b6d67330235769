//! A webhook across the death of a process.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use job_orchestrator::webhooks::signer;
use persistence_layer::test_util::TestDatabase;
use serde_json::{Value, json};
use service_runtime::config::{SigningSecret, WebhookSettings};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{PATIENCE, Service, client, configured, demo_node, program};

/// An address without transactions.
const WALLET: &str = "Config1111111111111111111111111111111111111";

/// What was received.
#[derive(Debug, Default)]
struct Told {
    id: String,
    timestamp: u64,
    signature: String,
    body: String,
}

/// Reads a request to its end.
async fn receive(stream: &mut TcpStream) -> Told {
    let mut reader = BufReader::new(stream);
    let (mut told, mut length) = (Told::default(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        match line.trim_end().split_once(": ") {
            Some(("webhook-id", value)) => told.id = value.to_owned(),
            Some(("webhook-timestamp", value)) => told.timestamp = value.parse().unwrap(),
            Some(("webhook-signature", value)) => told.signature = value.to_owned(),
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    Told { body: String::from_utf8(body).unwrap(), ..told }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    tokio::time::timeout(PATIENCE, listener.accept()).await.unwrap().unwrap().0
}

#[tokio::test]
async fn a_delivery_of_a_killed_process_is_made_by_the_next_one() {
    let database = TestDatabase::create().await;
    let node = demo_node().await;
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command
            .env("PNL_WEBHOOKS__SECRETS", r#"["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]"#)
            .env("PNL_WEBHOOKS__ALLOW_PRIVATE", "true");
        Service::start(command)
    };
    let first = start();
    let client = client();
    let url = format!("http://{}/", receiver.local_addr().unwrap());
    let body = json!({"wallet_addresses": [WALLET], "chain": "solana", "webhook_url": url});
    let run = format!("{}/api/pnl/batch/run", first.address);
    let accepted = client.post(run).json(&body).send().await.unwrap();
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let accepted: Value = accepted.json().await.unwrap();

    let mut stream = accept(&receiver).await;
    let told = receive(&mut stream).await;
    first.signal("KILL");
    drop(first);
    drop(stream);
    // As if the time of the claim had passed.
    assert_eq!(database.execute("update webhook_deliveries set due_at = now()").await, 1);

    let second = start();
    let mut stream = accept(&receiver).await;
    let again = receive(&mut stream).await;
    assert_eq!((&again.id, &again.body), (&told.id, &told.body));
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    let job = accepted["job_id"].as_str().unwrap();
    let log = format!("{}/api/pnl/batch/{job}/webhook", second.address);
    let begun = Instant::now();
    loop {
        let log: Value = client.get(&log).send().await.unwrap().json().await.unwrap();
        let delivery = &log["deliveries"][0];
        if delivery["state"] == "delivered" {
            assert_eq!(
                (&delivery["attempts"], &delivery["webhook_id"]),
                (&json!(2), &json!(told.id))
            );
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!second.log().contains("MfKQ9r8G"), "{}", second.log());
}

#[tokio::test]
async fn the_secret_of_a_tenant_is_shown_and_its_deliveries_are_signed_with_it() {
    const ROOTS: &str = r#"["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]"#;
    let database = TestDatabase::create().await;
    let node = demo_node().await;
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let secrets = |roots: &str, tenant: &str| {
        let mut command = program(folder.path());
        command.env("PNL_WEBHOOKS__ROOT_SECRETS", roots);
        command.args(["webhook-secrets", "--tenant", tenant]).output().unwrap()
    };
    let shown = secrets(ROOTS, "default");
    assert!(shown.status.success(), "{shown:?}");
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_ne!(secrets(ROOTS, "acme").stdout, shown.as_bytes());
    let none = secrets("[]", "acme");
    assert_eq!((none.status.code(), none.stdout.len()), (Some(1), 0), "{none:?}");

    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("PNL_WEBHOOKS__ROOT_SECRETS", ROOTS).env("PNL_WEBHOOKS__ALLOW_PRIVATE", "true");
    let service = Service::start(command);
    let url = format!("http://{}/", receiver.local_addr().unwrap());
    let body = json!({"wallet_addresses": [WALLET], "chain": "solana", "webhook_url": url});
    let run = format!("{}/api/pnl/batch/run", service.address);
    let accepted = client().post(run).json(&body).send().await.unwrap();
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let told = receive(&mut accept(&receiver).await).await;
    let secrets = vec![SigningSecret::new(shown.trim())];
    let signer = signer(&WebhookSettings { secrets, ..WebhookSettings::default() }).unwrap();
    assert_eq!(told.signature, signer.sign("", &told.id, told.timestamp, &told.body));
    for secret in [shown.trim(), "MfKQ9r8G"] {
        assert!(!service.log().contains(secret), "{}", service.log());
    }
}
