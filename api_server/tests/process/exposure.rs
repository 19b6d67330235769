//! Listening where other machines can ask.

use persistence_layer::test_util::TestDatabase;

use crate::support::{Service, configured, demo_node, get, program, run, text};

const EVERYWHERE: (&str, &str) = ("PNL_API__HOST", "0.0.0.0");
const LEAVE: (&str, &str) = ("PNL_AUTH__ALLOW_OPEN_PUBLIC", "true");

/// Exit code and stderr of the program; its stdout must be empty.
fn refused(arguments: &[&str]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let done = run(program(folder.path()).args(arguments).envs([EVERYWHERE]), "");
    assert!(done.stdout.is_empty(), "{}", text(&done.stdout));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing was begun");
    (done.status.code().unwrap(), text(&done.stderr))
}

#[test]
fn other_machines_are_not_let_in_unless_somebody_said_so() {
    for arguments in [&["serve"][..], &["serve", "--role", "api"], &["check-config"]] {
        let (code, told) = refused(arguments);
        assert_eq!((code, told.lines().count()), (2, 1), "{arguments:?}: {told}");
        assert!(told.contains("api.host = \"0.0.0.0\""), "{told}");
        assert!(told.contains("set auth.allow_open_public = true"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_leave_or_as_a_worker_it_listens_everywhere() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    for (name, value) in [LEAVE, ("PNL_SERVICE__ROLE", "worker")] {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.envs([EVERYWHERE, (name, value)]);
        let mut service = Service::start(command);
        let port = service.address.strip_prefix("http://0.0.0.0:").unwrap();
        assert_eq!(get(&format!("http://127.0.0.1:{port}/health")).await.0, 200);
        service.signal("TERM");
        service.ends_with(0);
    }
}
