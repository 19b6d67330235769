//! The line about a request that took long.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use persistence_layer::test_util::TestDatabase;
use serde_json::Value;

use crate::support::{PATIENCE, Service, configured, demo_node, program};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A submission whose body comes after a while, and with it the answer.
fn submit_late(service: &Service) -> String {
    let address = service.address.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /api/pnl/batch/run?secret=EV1L HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: 1\r\nTraceparent: 00-{TRACE}-b7ad6b7169203331-01\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    stream.write_all(b"{").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The lines `slow request`, as soon as there is the line of the access log.
fn slow_lines(service: &Service) -> Vec<Value> {
    let begun = Instant::now();
    while !service.log().contains("request answered") {
        assert!(begun.elapsed() < PATIENCE, "{}", service.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let lines = service.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == "slow request").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_beyond_the_time_of_its_class_has_one_line_without_what_it_asked() {
    let (folder, database, node) =
        (tempfile::tempdir().unwrap(), TestDatabase::create().await, demo_node().await);
    for (after, told) in [("10", 1), ("0", 0), ("3600000", 0)] {
        let mut command = program(folder.path());
        configured(&mut command, &database, &node);
        command.env("PNL_SLOW_LOG__SUBMIT_MS", after).env("PNL_LOG__FORMAT", "json");
        let mut service = Service::start(command);
        let answer = submit_late(&service);
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        let lines = slow_lines(&service);
        assert_eq!(lines.len(), told, "{after}: {}", service.log());
        for line in lines {
            for (name, value) in [
                ("level", "WARN"),
                ("trace_id", TRACE),
                ("route", "/api/pnl/batch/run"),
                ("class", "submit"),
                ("method", "POST"),
            ] {
                assert_eq!(line[name], value, "{name} of {line}");
            }
            assert_eq!((&line["threshold_ms"], &line["status"]), (&10.into(), &400.into()));
            assert!(line["duration_ms"].as_u64().unwrap() >= 10, "{line}");
            assert!(!line.to_string().contains("EV1L"), "{line}");
        }
        service.signal("TERM");
        service.ends_with(0);
    }
}
