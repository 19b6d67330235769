//! Bodies that are no JSON, too large, too deep, or sent as something else.

use super::{MARK, RUN, Row, WALLET, request, submission};

const MALFORMED: (u16, &str) = (400, "malformed-json");
const INVALID: (u16, &str) = (422, "validation-failed");

/// A submission of one wallet with more members.
fn with(rest: &str) -> String {
    format!(r#"{{"wallet_addresses":["{WALLET}"],"chain":"solana"{rest}}}"#)
}

/// A body in chunks, without a length.
fn chunked(body: &[u8]) -> Vec<u8> {
    let mut sent = request(
        "POST",
        RUN,
        &[("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")],
        b"",
    );
    for piece in body.chunks(100_000) {
        sent.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        sent.extend_from_slice(piece);
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b"0\r\n\r\n");
    sent
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    texts(&mut rows);
    shapes(&mut rows);
    sizes(&mut rows);
    media_types(&mut rows);
    rows
}

fn texts(rows: &mut Vec<Row>) {
    for (what, body, says) in [
        ("no body", "", "empty"),
        ("white space", " \r\n\t", "empty"),
        ("an open object", "{", "line 1 column 1"),
        ("words", MARK, "line 1 column 1"),
        ("a comma too many", "{\"chain\":\"solana\",}", "line 1 column 19"),
        ("a value is missing", "{\n  \"chain\": }", "line 2 column 12"),
        ("text behind the object", "{} EV1L", "line 1 column 4"),
        ("two objects", "{}{}", "line 1 column 3"),
        ("single quotes", "{'chain':'EV1L'}", "line 1 column 2"),
        ("a comment", "{/* EV1L */}", "line 1 column 2"),
        ("NaN", "{\"max_transactions\":NaN}", "line 1"),
        ("Infinity", "{\"max_transactions\":-Infinity}", "line 1"),
        ("a leading zero", "{\"max_transactions\":01}", "line 1"),
        ("a plus sign", "{\"max_transactions\":+1}", "line 1"),
        ("a hexadecimal number", "{\"max_transactions\":0x10}", "line 1"),
        ("a dot without digits", "{\"max_transactions\":1.}", "line 1"),
        ("a raw control character", "{\"chain\":\"EV1L\u{1}\"}", "control character"),
        ("a raw line break", "{\"chain\":\"EV1L\n\"}", "control character"),
        ("a raw escape sequence", "{\"chain\":\"\u{1b}[31mEV1L\"}", "control character"),
        ("an unknown escape", "{\"chain\":\"\\EV1L\"}", "escape"),
        ("half an escape", "{\"chain\":\"\\u12\"}", "escape"),
        ("half a surrogate pair in a name", "{\"\\ud800EV1L\":1}", "not valid Unicode"),
        ("a byte order mark", "\u{feff}{}", "line 1 column 1"),
        ("XML", "<wallets>EV1L</wallets>", "line 1 column 1"),
        ("a form", "chain=EV1L&wallet_addresses=x", "line 1"),
    ] {
        rows.push(Row::new(what, submission(body.as_bytes()), MALFORMED, says));
    }
    for (what, bytes) in [
        ("bytes that are no UTF-8", &b"{\"chain\":\"\xff\xfe\"}"[..]),
        ("an overlong encoding", b"{\"chain\":\"\xc0\xaf\"}"),
        ("a surrogate in UTF-8", b"{\"chain\":\"\xed\xa0\x80\"}"),
    ] {
        rows.push(Row::new(what, submission(bytes), MALFORMED, "invalid byte at 10"));
    }
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    rows.push(Row::new("UTF-16", submission(&utf16), MALFORMED, "line 1"));
}

fn shapes(rows: &mut Vec<Row>) {
    for (what, body, says) in [
        ("a list", "[]".to_owned(), "not a list"),
        ("null", "null".into(), "not null"),
        ("a text", "\"EV1L\"".into(), "not a string"),
        ("a number", "7".into(), "not a number"),
        ("true", "true".into(), "not a boolean"),
        ("nothing in it", "{}".into(), "/chain missing-field"),
        ("no wallets", r#"{"chain":"solana"}"#.into(), "/wallet_addresses missing-field"),
        ("no chain", format!(r#"{{"wallet_addresses":["{WALLET}"]}}"#), "/chain missing-field"),
        ("a group that is none", with(r#","group":"EV1L""#), "/group wrong-type"),
        ("a dry run that is none", with(r#","dry_run":"EV1L""#), "/dry_run wrong-type"),
        ("a field of later versions", with(r#","webhook":"EV1L""#), "/webhook unknown-field"),
        ("and another", with(r#","wait":1"#), "/wait unknown-field"),
        ("a misspelled field", with(r#","max_transaction":5"#), "known here: wallet_addresses"),
        ("a name in another case", with(r#","Method":"fifo""#), "/Method unknown-field"),
        ("a prototype", with(r#","__proto__":{"EV1L":1}"#), "/__proto__ unknown-field"),
        ("a name with slashes", with(r#","a/b~c":1"#), "/a~1b~0c unknown-field"),
        ("an empty name", with(r#","":1"#), "/ unknown-field"),
        ("a name that breaks lines", with(r#","EV1L\r\nx":1"#), "/EV1L\\r\\nx: unknown"),
        ("a name that turns text", with(",\"EV1L\u{202e}\":1"), "/EV1L\\u{202e}: unknown"),
        ("a long name", with(&format!(",\"{}\":1", MARK.repeat(9_000))), "...: unknown field"),
        ("chain twice", with(r#","chain":"solana""#), "/chain duplicate-key"),
        ("chain twice, once escaped", with(r#","\u0063hain":"base""#), "/chain duplicate-key"),
        ("wallets twice", with(r#","wallet_addresses":[]"#), "/wallet_addresses duplicate-key"),
        ("a stranger twice", with(r#","x":1,"x":2"#), "/x duplicate-key"),
    ] {
        rows.push(Row::new(what, submission(body.as_bytes()), INVALID, says));
    }
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (what, body) in [
        ("nested 17 deep", deep(17)),
        ("nested 100,000 deep", deep(100_000)),
        ("an option nested deep", with(&format!(",\"options\":{{\"scope\":{}}}", deep(40)))),
    ] {
        let expected = (400, "json-too-deep");
        rows.push(Row::new(what, submission(body.as_bytes()), expected, "16 levels"));
    }
    let open = "{\"a\":".repeat(50_000);
    rows.push(Row::new("open objects", submission(open.as_bytes()), MALFORMED, "line 1"));
}

fn sizes(rows: &mut Vec<Row>) {
    let large = with(&format!(",\"x\":\"{}\"", MARK.repeat(600_000)));
    let too_large = (413, "body-too-large");
    let says = "2097152 bytes";
    rows.push(Row::new("a huge body", submission(large.as_bytes()), too_large, says));
    rows.push(Row::new("a huge body in chunks", chunked(large.as_bytes()), too_large, says));
    let endless = [
        &request(
            "POST",
            RUN,
            &[("Content-Type", "application/json"), ("Content-Length", "99999999999999")],
            b"",
        )[..],
        b"{\"chain\"",
    ]
    .concat();
    rows.push(Row::new("a length beyond all", endless, too_large, says));
    let many = format!("[{}0]", "0,".repeat(150_000));
    rows.push(Row::new("too many values", submission(many.as_bytes()), too_large, "JSON values"));
    let wallets = vec![format!("\"{WALLET}\""); 10_001].join(",");
    let body = format!(r#"{{"wallet_addresses":[{wallets}],"chain":"solana"}}"#);
    let too_many = (413, "too-many-wallets");
    rows.push(Row::new("10,001 wallets", submission(body.as_bytes()), too_many, "at most 10000"));
    let wide =
        request("POST", "/nowhere", &[("Content-Type", "application/json")], large.as_bytes());
    rows.push(Row::new("a huge body to nobody", wide, (404, "not-found"), "/nowhere"));
    let wide =
        request("POST", "/health", &[("Content-Type", "application/json")], large.as_bytes());
    rows.push(Row::new("a huge body to a probe", wide, (405, "method-not-allowed"), "POST"));
}

fn media_types(rows: &mut Vec<Row>) {
    let refused = (415, "unsupported-media-type");
    let good = with("");
    for named in [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=EV1L",
        "application/jsonx",
        "json",
        "\"EV1L\x1b[31m\"",
    ] {
        let sent = request("POST", RUN, &[("Content-Type", named)], good.as_bytes());
        // An escape character is no part of a header at all.
        let expected = if named.contains('\x1b') { (400, "bad-request") } else { refused };
        let says = if named.contains('\x1b') { "header" } else { "application/json" };
        rows.push(Row::new(format!("sent as {named:?}"), sent, expected, says));
    }
    let sent = request("POST", RUN, &[], good.as_bytes());
    rows.push(Row::new("no type", sent, refused, "Content-Type: application/json is missing"));
    // The first bytes of a gzip stream; it is refused by its header, before anything is unpacked.
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03EV1L";
    for coding in ["gzip", "deflate", "br", "zstd", "identity, gzip", "EV1L"] {
        let headers = [("Content-Type", "application/json"), ("Content-Encoding", coding)];
        let sent = request("POST", RUN, &headers, packed);
        rows.push(Row::new(format!("packed as {coding}"), sent, refused, coding));
    }
}
