//! The profile of a running service.

use persistence_layer::test_util::TestDatabase;

use crate::support::{Service, client, configured, demo_node, program};

async fn ask(service: &Service, query: &str) -> (u16, String) {
    let url = format!("{}/debug/profile{query}", service.admin);
    let answer = client().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_has_stacks_and_is_taken_alone_and_only_where_it_is_on() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    let start = |is_on: &str| {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.env("PNL_ADMIN__PROFILING", is_on).env("PNL_WORKER__POLL_INTERVAL_MS", "10");
        Service::start(command)
    };
    let mut service = start("false");
    assert_eq!(ask(&service, "").await.0, 404);
    service.signal("TERM");
    service.ends_with(0);

    let mut service = start("true");
    let document = format!("{}/api/openapi.json", service.address);
    let busy = tokio::spawn(async move {
        let client = client();
        loop {
            let answer = client.get(&document).header("accept-encoding", "br").send().await;
            answer.unwrap().bytes().await.unwrap();
        }
    });
    let long = ask(&service, "?seconds=4");
    let short = async {
        // The first one has begun when the log says so.
        while !service.log().contains("a profile of this process is taken") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        ask(&service, "?seconds=1").await
    };
    let ((status, text), (refused, problem)) = tokio::join!(long, short);
    assert_eq!((status, refused), (200, 409), "{problem}");
    assert!(problem.contains("profile-running"), "{problem}");
    busy.abort();
    assert!(!text.is_empty(), "a busy process was seen at work");
    for line in text.lines() {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        assert!(stack.contains(';') && count.parse::<u64>().unwrap() > 0, "{line}");
    }
    for query in ["?seconds=0", "?seconds=61", "?seconds=x", "?second=1"] {
        assert_eq!(ask(&service, query).await.0, 400, "{query}");
    }
    // A process that stops waits for no profile.
    let (cut, ()) = tokio::join!(ask(&service, "?seconds=20"), async {
        while service.log().matches("a profile of this process is taken").count() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        service.signal("TERM");
    });
    assert_eq!(cut.0, 200);
    service.ends_with(0);
}
