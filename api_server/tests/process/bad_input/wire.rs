//! Requests that are no HTTP/1.1, or try to be two.

use super::{Row, request};

const BAD: (u16, &str) = (400, "bad-request");
const TOO_LARGE: (u16, &str) = (431, "headers-too-large");

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, sent) in [
        ("no HTTP", "EV1L\r\n\r\n"),
        ("no version", "GET /EV1L\r\n\r\n"),
        ("HTTP/9.9", "GET /EV1L HTTP/9.9\r\nHost: x\r\n\r\n"),
        ("a method of punctuation", "G(T /EV1L HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a space in the path", "GET /EV 1L HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a control character in the path", "GET /EV1L\u{1} HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a path without a slash", "GET EV1L/x HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
        ("a folded header", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n EV1L\r\n\r\n"),
        ("a header without a colon", "GET / HTTP/1.1\r\nHost: x\r\nEV1L\r\n\r\n"),
        ("a NUL in a header", "GET / HTTP/1.1\r\nHost: x\r\nX: EV1L\0\r\n\r\n"),
        (
            "an escape sequence in a header",
            "GET / HTTP/1.1\r\nHost: x\r\nX: \u{1b}[31mEV1L\r\n\r\n",
        ),
        ("no Host", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"),
        ("two Hosts", "GET /health HTTP/1.1\r\nHost: x\r\nHost: EV1L\r\nConnection: close\r\n\r\n"),
        ("a negative length", "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        ("a length with a sign", "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nEV1L!"),
        ("a length that is a word", "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: EV1L\r\n\r\n"),
        (
            "a length beyond 2^64",
            "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n",
        ),
        (
            "two lengths",
            "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nEV1L!",
        ),
        (
            "an unknown transfer coding",
            "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: EV1L\r\n\r\n",
        ),
        (
            "chunked, but not last",
            "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        ),
        ("chunks in HTTP/1.0", "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        let says = if what.contains("Host") { "Host headers" } else { "HTTP/1.1" };
        rows.push(Row::new(what, sent.as_bytes().to_vec(), BAD, says));
    }
    let not_text = b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    rows.push(Row::new("bytes in the path", not_text.to_vec(), BAD, "HTTP/1.1"));

    let many: Vec<(String, String)> = (0..150).map(|n| (format!("X-{n}"), "EV1L".into())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    rows.push(Row::new("150 headers", request("GET", "/", &many, b""), TOO_LARGE, "100 headers"));
    for size in [70_000, 1_000_000] {
        let long = "x".repeat(size);
        let sent = request("GET", "/", &[("Cookie", &long)], b"");
        rows.push(Row::new(format!("a header of {size} bytes"), sent, TOO_LARGE, "65536 bytes"));
        let sent = format!("GET / HTTP/1.1\r\n{long}").into_bytes();
        rows.push(Row::new(format!("{size} bytes without an end"), sent, TOO_LARGE, "65536 bytes"));
    }
    let too_long = (414, "uri-too-long");
    let target = format!("/api/pnl/batch?status={}", "EV1L".repeat(2_500));
    rows.push(Row::new("a long query", request("GET", &target, &[], b""), too_long, "8192"));
    let target = format!("/{}", "EV1L/".repeat(2_000));
    rows.push(Row::new("a long path", request("POST", &target, &[], b"x"), too_long, "8192"));

    // The chunks count, the length does not, and what follows is not a second request.
    let both = "POST /api/pnl/batch/run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    for lengths in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    ] {
        let sent = format!("{both}{lengths}\r\n0\r\n\r\nGET /EV1L HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut row = Row::new(
            format!("both: {lengths:?}"),
            sent.into_bytes(),
            (400, "malformed-json"),
            "empty",
        );
        row.header = Some(("connection", "close".to_owned()));
        rows.push(row);
    }
    for (what, chunks) in [
        ("a chunk size that is a word", "EV1L\r\nxx\r\n0\r\n\r\n"),
        ("a chunk size beyond 2^64", "fffffffffffffffff\r\nxx\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "2\r\n{\"EV1L\r\n0\r\n\r\n"),
    ] {
        let sent = format!("{both}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        rows.push(Row::new(what, sent.into_bytes(), (400, "unreadable-body"), "chunks"));
    }
    rows
}
