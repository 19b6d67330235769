//! `signing-key`, a service that signs, and `verify`.

use std::os::unix::fs::PermissionsExt;

use persistence_layer::test_util::TestDatabase;
use serde_json::{Value, json};

use crate::support::{
    PATIENCE, Service, client, configured, demo_node, demo_wallets, get, program, run, text,
};

#[tokio::test(flavor = "multi_thread")]
async fn signed_results_are_checked_by_whoever_has_the_public_key() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let command = |arguments: &[&str], input: &str| {
        let done = run(program(folder.path()).args(arguments), input);
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    };
    let (code, public, told) = command(&["signing-key", "--file", "own.key"], "");
    assert_eq!(code, 0, "{told}");
    let public = public.trim().to_owned();
    let mode = std::fs::metadata(folder.path().join("own.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, _, told) = command(&["signing-key", "--file", "own.key"], "");
    assert!(code == 1 && told.contains("own.key"), "a key is never overwritten: {told}");

    let start = |key: &str| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.env("PNL_SIGNING__KEY_FILE", key);
        command.env("PNL_API__PORT", "0").env("PNL_ADMIN__PORT", "0");
        command
    };
    // A key that is not there is told at the start.
    let done = run(start("other.key").arg("serve"), "");
    assert!(!done.status.success() && text(&done.stderr).contains("other.key"), "{done:?}");
    let mut service = Service::start(start("own.key"));
    let key = get(&format!("{}/api/signing/key", service.address)).await.1;
    assert_eq!(key, json!({"algorithm": "Ed25519", "public_key": public}));
    let body = json!({"wallet_addresses": demo_wallets(), "chain": "solana"});
    let url = format!("{}/api/pnl/batch/run", service.address);
    let accepted: Value =
        client().post(url).json(&body).send().await.unwrap().json().await.unwrap();
    let job = accepted["job_id"].as_str().unwrap();
    let begun = std::time::Instant::now();
    while get(&format!("{}/api/pnl/batch/status/{job}", service.address)).await.1["done"] != true {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let url = format!("{}/api/pnl/batch/results/{job}/signed.ndjson", service.address);
    let signed = client().get(&url).send().await.unwrap().text().await.unwrap();
    assert_eq!(signed, client().get(&url).send().await.unwrap().text().await.unwrap());
    assert_eq!(signed.lines().count(), demo_wallets().len() + 1);

    let (code, out, told) = command(&["verify", &url, "--key", &public], "");
    assert_eq!((code, told.as_str()), (0, ""), "{out}");
    assert!(out.starts_with(&format!("ok: {} rows of job {job}", demo_wallets().len())), "{out}");
    let (code, out, told) = command(&["verify", "-"], &signed);
    assert!(code == 0 && told.contains("--key"), "{out}{told}");
    // Somebody makes a loss of a gain, and somebody leaves a wallet out.
    let file = folder.path().join("results");
    std::fs::write(&file, signed.replacen("\"trades\":", "\"trades\":1", 1)).unwrap();
    let (code, out, _) = command(&["verify", "results", "--key", &public], "");
    assert_eq!(code, 1, "{out}");
    assert!(out.contains(&format!("line 1, wallet {:?}", demo_wallets()[0])), "{out}");
    let fewer: String = signed.split_inclusive('\n').skip(1).collect();
    let (code, out, _) = command(&["verify", "-"], &fewer);
    assert!(code == 1 && out.contains("were signed"), "{out}");
    let (_, other, _) = command(&["signing-key", "--file", "second.key"], "");
    let (code, out, _) = command(&["verify", "-", "--key", other.trim()], &signed);
    assert!(code == 1 && out.contains(&public), "{out}");
    let (code, ..) = command(&["verify", "-", "--key", "key"], &signed);
    assert_eq!(code, 2);
    let (code, _, told) = command(&["verify", "missing"], "");
    assert!(code == 1 && told.contains("missing"), "{told}");
    let nowhere = format!("{}/nowhere", service.address);
    let (code, _, told) = command(&["verify", &nowhere], "");
    assert!(code == 1 && told.contains("404"), "{told}");
    service.signal("TERM");
    service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_key_signs_nothing() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let mut command = program(folder.path());
    configured(&mut command, &database, &node);
    let service = Service::start(command);
    let (status, answer) = get(&format!("{}/api/signing/key", service.address)).await;
    assert_eq!((status, &answer["code"]), (404, &"not-signing".into()));
}
