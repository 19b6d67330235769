//! `keys`, and a service that asks for them.

use persistence_layer::test_util::TestDatabase;
use serde_json::Value;

use crate::support::{Service, client, configured, demo_node, program, run, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_opens_the_service_until_it_is_revoked() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let keys = |arguments: &[&str]| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        let done = run(command.env("PNL_AUTH__MODE", "keys").arg("keys").args(arguments), "");
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    };
    let (code, secret, told) = keys(&["create", "--name", "dashboard", "--scopes", "read"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!((secret.lines().count(), secret.len()), (1, 69), "{secret}");
    assert!(!told.contains(secret.trim()), "{told}");
    let stored = "select count(*) from api_keys where encode(hash, 'hex') like '%pnl%' or name <> 'dashboard'";
    assert_eq!(database.number(stored).await, 0);
    let (_, listed, _) = keys(&["list", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((&listed[0]["valid"], &listed[0]["tenant"]), (&true.into(), &"default".into()));
    assert_eq!(listed[0]["scopes"], serde_json::json!(["read"]));

    let (code, of_acme, told) = keys(&["create", "--name", "dashboard", "--tenant", "acme"]);
    assert!(code == 0 && told.contains("of tenant acme"), "{told}");
    let (_, table, _) = keys(&["list"]);
    assert!(table.contains("default") && table.contains("acme"), "{table}");

    // Who asks for keys may be asked by everybody.
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    command.env("PNL_AUTH__MODE", "keys").env("PNL_API__HOST", "0.0.0.0");
    let mut service = Service::start(command);
    let port = service.address.rsplit(':').next().unwrap().to_owned();
    let jobs = format!("http://127.0.0.1:{port}/api/pnl/batch");
    let status = async |key: &str| {
        let answer = client().get(&jobs).header("x-api-key", key.trim()).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(client().get(&jobs).send().await.unwrap().status(), 401);
    assert_eq!((status(&secret).await, status(&of_acme).await), (200, 200));
    let (code, heir, told) = keys(&["rotate", &id, "--overlap-hours", "1"]);
    assert_eq!((code, heir.len()), (0, 69), "{told}");
    assert_eq!((status(&secret).await, status(&heir).await), (200, 200));
    let (code, _, told) = keys(&["revoke", &id]);
    assert_eq!(code, 0, "{told}");
    let begun = std::time::Instant::now();
    while status(&secret).await != 401 {
        assert!(begun.elapsed() < crate::support::PATIENCE, "the key is still let in");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(status(&heir).await, 200);
    let (_, table, _) = keys(&["list"]);
    assert!(table.contains("revoked") && table.contains("valid"), "{table}");
    service.signal("TERM");
    service.ends_with(0);
    let log = service.log();
    assert!(!log.contains(secret.trim()) && !log.contains(heir.trim()), "{log}");
    assert!(log.contains(&format!("holder={id}")), "the access log tells which key: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_of_keys_is_refused() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let unknown = "0192f0c1-2e65-7b8a-9c3f-0123456789ab";
    for (arguments, code, word) in [
        (&["create"][..], 2, "--name"),
        (&["create", "--name", ""], 2, "--name"),
        (&["create", "--name", "x", "--scopes", "write"], 2, "unknown scope"),
        (&["create", "--name", "x", "--tenant", "A b"], 2, "no name of a tenant"),
        (&["create", "--name", "x", "--expires-in-days", "0"], 2, "expires-in-days"),
        (&["rotate", "nonsense"], 2, "nonsense"),
        (&["rotate", unknown], 1, "no key"),
        (&["revoke", unknown], 1, "no key"),
    ] {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        let done = run(command.arg("keys").args(arguments), "");
        assert_eq!(done.status.code(), Some(code), "{arguments:?}");
        assert!(done.stdout.is_empty());
        assert!(text(&done.stderr).contains(word), "{arguments:?}: {}", text(&done.stderr));
    }
    assert_eq!(database.number("select count(*) from api_keys").await, 0);
}
