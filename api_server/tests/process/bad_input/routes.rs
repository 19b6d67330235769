//! Every route: methods it does not take, answers it does not have, headers it does not know.

use super::{Known, MARK, RUN, Row, WALLET, request};

/// Where watched wallets are added.
const ADD: &str = "/api/pnl/watched/add";

pub fn rows(known: &Known) -> Vec<Row> {
    let mut rows = Vec::new();
    let job = &known.job;
    let reads = [
        "/health".to_owned(),
        "/api/health".into(),
        "/api/health/db".into(),
        "/api/health/detailed".into(),
        "/api/performance/health-detailed".into(),
        "/problems/not-found".into(),
        "/api/openapi.json".into(),
        "/api/docs".into(),
        "/api/services/status".into(),
        "/api/performance/performance-metrics".into(),
        "/api/performance/traffic-analysis".into(),
        "/api/performance/capacity".into(),
        "/api/performance/cost".into(),
        "/api/events".into(),
        "/api/pnl/batch".into(),
        format!("/api/pnl/batch/status/{job}"),
        format!("/api/pnl/batch/{job}/webhook"),
        format!("/api/pnl/batch/results/{job}"),
        format!("/api/pnl/batch/results/{job}/export.csv"),
        format!("/api/pnl/batch/results/{job}/export.arrow"),
        format!("/api/pnl/batch/results/{job}/group"),
        format!("/api/pnl/batch/results/{job}/group/ledger"),
        "/api/pnl/results".into(),
        "/api/pnl/watched".into(),
        "/api/leaderboard".into(),
        "/api/compare".into(),
        format!("/api/v2/wallets/{WALLET}/transactions"),
        format!("/api/v2/wallets/{WALLET}/pnl"),
        format!("/api/v2/wallets/{WALLET}/ledger"),
        format!("/api/v2/wallets/{WALLET}/tokens"),
        format!("/api/v2/wallets/{WALLET}/coverage"),
        format!("/api/v2/wallets/{WALLET}/equity"),
        format!("/api/v2/wallets/{WALLET}/calendar"),
        format!("/api/v2/wallets/{WALLET}/distribution"),
        format!("/api/v2/wallets/{WALLET}/diff"),
        format!("/api/v2/wallets/{WALLET}/disposals"),
        format!("/api/v2/wallets/{WALLET}/disposals/5h:0:out/explain"),
    ];
    let actions = [
        RUN.to_owned(),
        "/api/performance/optimize".to_owned(),
        "/api/performance/cache/purge".to_owned(),
        format!("/api/pnl/batch/{job}/cancel"),
        format!("/api/pnl/batch/{job}/retry"),
        format!("/api/pnl/batch/{job}/webhook/replay"),
        ADD.to_owned(),
        "/api/pnl/watched/resume".to_owned(),
        format!("/api/pnl/watched/{WALLET}/resume"),
        "/api/services/continuous/start".to_owned(),
        "/api/services/continuous/stop".to_owned(),
    ];
    let removals = [format!("/api/pnl/batch/{job}"), format!("/api/pnl/watched/{WALLET}")];
    let questions = [format!("/api/v2/wallets/{WALLET}/what-if")];
    for (routes, methods, allow) in [
        (&reads[..], &["POST", "PUT", "PATCH", "DELETE", "TRACE", "EV1L"][..], "GET,HEAD"),
        (&questions[..], &["PUT", "PATCH", "DELETE", "TRACE", "EV1L"][..], "GET,HEAD,POST"),
        (&removals[..], &["GET", "POST", "PUT", "PATCH", "TRACE", "EV1L"][..], "DELETE"),
        (&actions[..], &["GET", "PUT", "PATCH", "DELETE", "TRACE", "EV1L"][..], "POST"),
    ] {
        for route in routes {
            for method in methods {
                let sent = request(method, route, &[], b"");
                let what = format!("{method} {route}");
                let mut row = Row::new(what, sent, (405, "method-not-allowed"), *method);
                row.header = Some(("allow", allow.to_owned()));
                rows.push(row);
            }
        }
    }
    for route in [
        "/api/services/status",
        "/api/performance/performance-metrics",
        "/api/performance/traffic-analysis",
        "/api/performance/capacity",
        "/api/performance/cost",
        "/api/pnl/batch",
        &format!("/api/pnl/batch/status/{job}"),
        &format!("/api/pnl/batch/{job}/webhook"),
        &format!("/api/pnl/batch/results/{job}"),
        "/api/pnl/results",
        "/api/pnl/watched",
        "/api/leaderboard",
        &format!("/api/compare?chain=sol&wallets={WALLET}"),
        &format!("/api/v2/wallets/{WALLET}/transactions?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/pnl?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/ledger?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/tokens?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/coverage?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/equity?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/calendar?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/distribution?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/diff?chain=sol&from={job}&to={job}"),
        &format!("/api/v2/wallets/{WALLET}/what-if?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/disposals?chain=sol"),
        &format!("/api/v2/wallets/{WALLET}/disposals/5h:0:out/explain?chain=sol"),
    ] {
        for accept in ["text/html", "application/xml, text/*", "application/json;q=0", "EV1L/*"] {
            let sent = request("GET", route, &[("Accept", accept)], b"");
            let what = format!("{route} as {accept}");
            rows.push(Row::new(what, sent, (406, "not-acceptable"), "application/json"));
        }
    }
    for path in [
        "/",
        "/EV1L",
        "/api",
        "/api/pnl/batch/",
        "/metrics",
        "/api/v2/wallets",
        "//health",
        "/api/pnl/batch/run/",
        "/API/HEALTH",
        "/%2e%2e/health",
        "/.env",
        "/api/pnl/batch/status/",
        "/EV1L%0d%0aSet-Cookie:%20a=b",
        "/problems/EV1L",
    ] {
        let says = if path.starts_with("/problems") { "code" } else { "There is no route" };
        rows.push(Row::new(path, request("GET", path, &[], b""), (404, "not-found"), says));
    }
    actions_take_no_body(&mut rows, job);
    questions_take_options(&mut rows);
    purges_take_tags(&mut rows);
    watched_wallets(&mut rows);
    lines(&mut rows);
    files_and_sockets(&mut rows, job);
    keys(&mut rows);
    rows
}

fn questions_take_options(rows: &mut Vec<Row>) {
    let json = [("Content-Type", "application/json")];
    let path = format!("/api/v2/wallets/{WALLET}/what-if?chain=sol");
    let long = format!(
        r#"{{"options":{{"lots":{{"a:0":[{}"{MARK}"]}}}}}}"#,
        r#"{"lot":"a:0"},"#.repeat(1_000)
    );
    for (body, expected, says) in [
        ("", (400, "malformed-json"), "empty"),
        ("EV1L", (400, "malformed-json"), "line 1"),
        ("[]", (422, "validation-failed"), "an object with options"),
        (r#"{"EV1L":1}"#, (422, "validation-failed"), "/EV1L unknown-field"),
        (r#"{"options":"EV1L"}"#, (422, "validation-failed"), "/options wrong-type"),
        (r#"{"options":{"EV1L":1}}"#, (422, "validation-failed"), "/options/EV1L unknown-field"),
        (r#"{"options":{"lots":"EV1L"}}"#, (422, "validation-failed"), "/options/lots bad-option"),
        (
            r#"{"options":{"lots":{"EV1L":[]}}}"#,
            (422, "validation-failed"),
            "\"EV1L\" is no id of an event",
        ),
        (
            r#"{"options":{"lots":{"\u202eEV1L:0":[]}}}"#,
            (422, "validation-failed"),
            "\\u{202e}EV1L:0",
        ),
        (
            r#"{"options":{"lots":{"a:0":[{"lot":"EV1L","raw":1}]}}}"#,
            (422, "validation-failed"),
            "/options/lots/a:0/0/lot bad-option",
        ),
        (
            r#"{"options":{"lots":{"a:0":[{"lot":"a:0","raw":1,"raw":2}]}}}"#,
            (422, "validation-failed"),
            "/options/lots/a:0/0/raw duplicate-key",
        ),
        (&long, (422, "validation-failed"), "1001 parts of lots are chosen; at most 1000"),
    ] {
        let what = format!("what-if with {}", &body[..body.len().min(80)]);
        rows.push(Row::new(what, request("POST", &path, &json, body.as_bytes()), expected, says));
    }
    let text = request("POST", &path, &[("Content-Type", "text/plain")], b"EV1L");
    let expected = (415, "unsupported-media-type");
    rows.push(Row::new("what-if with text", text, expected, "text/plain"));
}

fn purges_take_tags(rows: &mut Vec<Row>) {
    let json = [("Content-Type", "application/json")];
    let path = "/api/performance/cache/purge";
    let many = format!(r#"{{"tags":[{}"{MARK}"]}}"#, r#""everything","#.repeat(100));
    let invalid = (422, "validation-failed");
    for (body, expected, says) in [
        ("", (400, "malformed-json"), "empty"),
        ("[\"EV1L\"]", invalid, "an object with tags"),
        ("{}", invalid, "/tags missing-field"),
        (r#"{"tags":["everything"],"EV1L":1}"#, invalid, "/EV1L unknown-field"),
        (r#"{"tags":"EV1L"}"#, invalid, "/tags wrong-type"),
        (r#"{"tags":[]}"#, invalid, "/tags empty-list"),
        (r#"{"tags":["everything",{"EV1L":1}]}"#, invalid, "/tags/1 wrong-type"),
        (r#"{"tags":["EV1L"]}"#, invalid, "/tags/0 bad-tag"),
        (r#"{"tags":["tenant:EV1L"]}"#, invalid, "no name of a tenant"),
        (r#"{"tags":["chain:EV1L"]}"#, invalid, "unknown chain"),
        (r#"{"tags":["wallet:solana:EV1L"]}"#, invalid, "not a Solana address"),
        (r#"{"tags":["job:EV1L"]}"#, invalid, "not the id of a job"),
        (r#"{"tags":["\u202eEV1L"]}"#, invalid, "\\u{202e}EV1L"),
        (&many, invalid, "101 tags are named; at most 100"),
    ] {
        let what = format!("purge with {}", &body[..body.len().min(80)]);
        rows.push(Row::new(what, request("POST", path, &json, body.as_bytes()), expected, says));
    }
    let text = request("POST", path, &[("Content-Type", "text/plain")], b"EV1L");
    let expected = (415, "unsupported-media-type");
    rows.push(Row::new("purge with text", text, expected, "text/plain"));
}

fn watched_wallets(rows: &mut Vec<Row>) {
    let json = [("Content-Type", "application/json")];
    let invalid = (422, "validation-failed");
    let add = |body: &str| request("POST", ADD, &json, body.as_bytes());
    for (what, body, says) in [
        ("nothing", "{}".to_owned(), "/chain missing-field"),
        ("a list", r#"["EV1L"]"#.to_owned(), "must be an object"),
        ("no wallet", r#"{"wallet_addresses":["EV1L"],"chain":"sol"}"#.to_owned(), "bad-address"),
        ("no chain", r#"{"wallet_addresses":[],"chain":"EV1L"}"#.to_owned(), "unknown-chain"),
        ("no wallets", r#"{"wallet_addresses":[],"chain":"sol"}"#.to_owned(), "empty-list"),
    ] {
        rows.push(Row::new(format!("watching {what}"), add(&body), invalid, says));
    }
    for (member, says) in [
        (r#""EV1L":1"#, "/EV1L unknown-field"),
        (r#""group":true"#, "/group unknown-field"),
        (r#""as_of":"2024-01-01T00:00:00Z""#, "/as_of unknown-field"),
        (r#""webhook_url":"https://EV1L.example""#, "/webhook_url unknown-field"),
        (r#""dry_run":true"#, "/dry_run unknown-field"),
        (r#""every_seconds":"EV1L""#, "/every_seconds wrong-type"),
        (r#""every_seconds":0"#, "from 300 to 31536000"),
        (r#""every_seconds":299"#, "/every_seconds out-of-range"),
        (r#""every_seconds":31536001"#, "/every_seconds out-of-range"),
        (r#""every_seconds":600.5"#, "/every_seconds out-of-range"),
        (r#""every_seconds":-600"#, "/every_seconds out-of-range"),
        (r#""method":"EV1L""#, "/method unknown-method"),
    ] {
        let body = format!(r#"{{"wallet_addresses":["{WALLET}"],"chain":"sol",{member}}}"#);
        rows.push(Row::new(format!("watching with {member}"), add(&body), invalid, says));
    }
    for query in ["?state=EV1L", "?chain=EV1L", "?limit=0", "?EV1L=1"] {
        let sent = request("GET", &format!("/api/pnl/watched{query}"), &[], b"");
        rows.push(Row::new(format!("watched {query}"), sent, (400, "bad-query"), "?"));
    }
    for query in ["?chain=EV1L", "?EV1L=1", "?code=a&code=EV1L"] {
        let sent = request("POST", &format!("/api/pnl/watched/resume{query}"), &[], b"");
        rows.push(Row::new(format!("resuming {query}"), sent, (400, "bad-query"), "?"));
    }
    let sent = request("POST", "/api/pnl/watched/resume", &json, br#"{"EV1L":1}"#);
    rows.push(Row::new("resuming with a body", sent, invalid, "/EV1L unknown-field"));
    let sent = request("GET", "/api/pnl/watched?cursor=EV1L", &[], b"");
    rows.push(Row::new("a cursor of no list", sent, (400, "bad-cursor"), "does not belong"));
    for (method, behind) in [("DELETE", ""), ("POST", "/resume")] {
        for (wallet, query, expected, says) in [
            (WALLET, "", (400, "bad-query"), "?chain missing-field"),
            (WALLET, "?chain=EV1L", (400, "bad-query"), "?chain unknown-chain"),
            ("EV1L", "?chain=sol", invalid, "{wallet} bad-address"),
            (WALLET, "?chain=sol", (404, "not-watched"), "is not watched"),
        ] {
            let path = format!("/api/pnl/watched/{wallet}{behind}{query}");
            let sent = request(method, &path, &[], b"");
            rows.push(Row::new(format!("{method} {path}"), sent, expected, says));
        }
    }
    for order in ["start", "stop"] {
        let path = format!("/api/services/continuous/{order}");
        let sent = request("POST", &path, &json, br#"{"EV1L":1}"#);
        rows.push(Row::new(format!("{order} with a member"), sent, invalid, "unknown-field"));
        let sent = request("POST", &path, &[("X-Forwarded-For", "192.0.2.1")], b"");
        let here = "only programs on the service's own machine";
        rows.push(Row::new(format!("{order} from elsewhere"), sent, (403, "forbidden"), here));
    }
}

fn actions_take_no_body(rows: &mut Vec<Row>, job: &str) {
    let json = [("Content-Type", "application/json")];
    for action in ["cancel", "retry", "webhook/replay"] {
        let path = format!("/api/pnl/batch/{job}/{action}");
        for (body, expected, says) in [
            (r#"{"wallets":["EV1L"]}"#, (422, "validation-failed"), "/wallets unknown-field"),
            ("[]", (422, "validation-failed"), "not a list"),
            ("null", (422, "validation-failed"), "not null"),
            ("{", (400, "malformed-json"), "line 1"),
            ("EV1L", (400, "malformed-json"), "line 1"),
        ] {
            let sent = request("POST", &path, &json, body.as_bytes());
            rows.push(Row::new(format!("{action} with {body}"), sent, expected, says));
        }
        let sent = request("POST", &path, &[("Content-Type", "text/plain")], b"EV1L");
        rows.push(Row::new(
            format!("{action} with text"),
            sent,
            (415, "unsupported-media-type"),
            "text/plain",
        ));
        let large = MARK.repeat(600_000);
        let sent = request("POST", &path, &json, large.as_bytes());
        rows.push(Row::new(
            format!("{action} with a lot"),
            sent,
            (413, "body-too-large"),
            "2097152",
        ));
    }
    let sent = request("POST", &format!("/api/pnl/batch/{job}/retry"), &[], b"");
    rows.push(Row::new("retry of a running job", sent, (409, "job-running"), "not ended"));
    let sent = request("GET", &format!("/api/pnl/batch/results/{job}/export.csv"), &[], b"");
    rows.push(Row::new("export of a running job", sent, (409, "job-running"), "partial=true"));
}

/// Submissions line by line.
fn lines(rows: &mut Vec<Row>) {
    let head = [("Content-Type", "application/x-ndjson")];
    let invalid = (422, "validation-failed");
    let options = r#"{"chain":"solana"}"#;
    for (what, body, expected, says) in [
        ("no lines", String::new(), invalid, "line:1"),
        ("words for options", "EV1L".to_owned(), invalid, "line:1"),
        ("a list for options", "[\"EV1L\"]".to_owned(), invalid, "line:1"),
        ("an unknown option", r#"{"chain":"solana","EV1L":1}"#.to_owned(), invalid, "line:1/EV1L"),
        ("options alone", format!("{options}\n"), invalid, "wallet"),
        ("a wallet that is none", format!("{options}\n\"EV1L\"\n"), invalid, "line:2"),
        ("a number for a wallet", format!("{options}\n\"{WALLET}\"\n5\n"), invalid, "line:3"),
        ("an object for a wallet", format!("{options}\n{{\"EV1L\":1}}\n"), invalid, "line:2"),
    ] {
        rows.push(Row::new(what, request("POST", RUN, &head, body.as_bytes()), expected, says));
    }
}

fn files_and_sockets(rows: &mut Vec<Row>, job: &str) {
    let file = format!("/api/pnl/batch/results/{job}/export.ndjson");
    for query in ["?rows=EV1L", "?partial=EV1L", "?EV1L=1", "?rows=wallets&rows=wallets"] {
        let sent = request("GET", &format!("{file}{query}"), &[], b"");
        rows.push(Row::new(format!("export {query}"), sent, (400, "bad-query"), "?"));
    }
    let sent = request("GET", &format!("/api/pnl/batch/results/{job}/signed.ndjson"), &[], b"");
    rows.push(Row::new("signed without a key", sent, (404, "not-signing"), "signing.key_file"));
    for path in [&format!("/api/pnl/batch/{job}/ws"), "/api/ws"] {
        let sent = request("GET", path, &[], b"");
        rows.push(Row::new(
            format!("{path} as a page"),
            sent,
            (426, "upgrade-required"),
            "WebSocket",
        ));
    }
    let sent = request("GET", &format!("/api/pnl/batch/{job}/ws?last_event_id=EV1L"), &[], b"");
    rows.push(Row::new("a socket from nowhere", sent, (400, "bad-query"), "?last_event_id"));
}

fn keys(rows: &mut Vec<Row>) {
    let body = format!(r#"{{"wallet_addresses":["{WALLET}"],"chain":"solana"}}"#);
    let submit = |headers: &[(&str, &str)]| {
        let all = [&[("Content-Type", "application/json")], headers].concat();
        request("POST", RUN, &all, body.as_bytes())
    };
    let refused = (400, "bad-idempotency-key");
    for (what, key, says) in [
        ("an empty key", "", "empty"),
        ("a key of two words", "EV1L EV1L", "visible ASCII"),
        ("a key beyond ASCII", "caf\u{e9}EV1L", "visible ASCII"),
        ("a key with a tab", "EV1L\tEV1L", "visible ASCII"),
        ("a long key", &"k".repeat(256), "255"),
        ("a very long key", &"k".repeat(20_000), "255"),
    ] {
        rows.push(Row::new(what, submit(&[("Idempotency-Key", key)]), refused, says));
    }
    let twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")];
    rows.push(Row::new("two keys", submit(&twice), refused, "twice"));
    // Ids of the caller that could forge or break a line are replaced, and the request goes on.
    for id in ["EV1L\"}", "{EV1L}", "EV1L\tx", "<EV1L>", "caf\u{e9}EV1L", "EV1L;x=1"] {
        for header in ["X-Request-Id", "Traceparent"] {
            let sent = request("GET", "/nowhere", &[(header, id)], b"");
            let mut row = Row::new(format!("{header}: {id}"), sent, (404, "not-found"), "/nowhere");
            row.has_bad_id = true;
            rows.push(row);
        }
    }
}
