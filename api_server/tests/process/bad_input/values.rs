//! Bodies that are JSON, with values that are none; and the same values in paths and queries.

use api_server::cursor;

use super::{Known, MARK, Row, WALLET, request, submission};

const INVALID: (u16, &str) = (422, "validation-failed");
const BAD_QUERY: (u16, &str) = (400, "bad-query");
const BAD_CURSOR: (u16, &str) = (400, "bad-cursor");
const SOLANA: &str = "not a Solana address";
const EVM: &str = "not an EVM address";

/// The right EIP-55 form of an address, and a wrong one.
const CHECKSUMMED: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
const MISSPELLED: &str = "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

fn with(rest: &str) -> Vec<u8> {
    let body = format!(r#"{{"wallet_addresses":["{WALLET}"],"chain":"solana",{rest}}}"#);
    submission(body.as_bytes())
}

/// A submission of these addresses (JSON texts).
fn of(chain: &str, addresses: &str) -> Vec<u8> {
    let body = format!(r#"{{"wallet_addresses":[{addresses}],"chain":{chain}}}"#);
    submission(body.as_bytes())
}

pub fn submitted() -> Vec<Row> {
    let mut rows = Vec::new();
    addresses(&mut rows);
    chains(&mut rows);
    members(&mut rows);
    rows
}

fn addresses(rows: &mut Vec<Row>) {
    let long = MARK.repeat(20_000);
    for (what, json, says) in [
        ("nothing", String::new(), "/wallet_addresses empty-list"),
        ("an empty text", "\"\"".into(), SOLANA),
        ("a word", "\"EV1L\"".into(), "/wallet_addresses/0 bad-address \"EV1L\""),
        ("a number", "7".into(), "/wallet_addresses/0 wrong-type"),
        ("null", "null".into(), "/wallet_addresses/0 wrong-type"),
        ("true", "true".into(), "/wallet_addresses/0 wrong-type"),
        ("a list", format!("[\"{WALLET}\"]"), "/wallet_addresses/0 wrong-type"),
        (
            "an object behind a good one",
            format!("\"{WALLET}\",{{}}"),
            "/wallet_addresses/1 wrong-type",
        ),
        ("a character too few", format!("\"{}\"", &WALLET[1..]), SOLANA),
        ("two characters too many", format!("\"{WALLET}11\""), SOLANA),
        ("a letter that base58 lacks", format!("\"{}0\"", &WALLET[..42]), SOLANA),
        ("another one", format!("\"{}l\"", &WALLET[..42]), SOLANA),
        ("31 bytes", format!("\"{}\"", "1".repeat(31)), SOLANA),
        ("33 bytes", format!("\"{}\"", "1".repeat(33)), SOLANA),
        ("a number beyond 32 bytes", format!("\"{}\"", "z".repeat(44)), SOLANA),
        ("a space before", format!("\" {WALLET}\""), SOLANA),
        ("a space behind", format!("\"{WALLET} \""), SOLANA),
        ("a line break behind", format!("\"{WALLET}\\nEV1L\""), "\\n"),
        ("a forged line", "\"x\\r\\n{\\\"forged\\\":\\\"EV1L\\\"}\"".into(), "\\r\\n"),
        ("a NUL", format!("\"{WALLET}\\u0000\""), "\\u{0}"),
        ("an escape sequence", "\"\\u001b[2JEV1L\"".into(), "\\u{1b}[2J"),
        (
            "a zero-width space",
            format!("\"{}\u{200b}{}\"", &WALLET[..9], &WALLET[9..]),
            "\\u{200b}",
        ),
        ("a zero-width joiner", format!("\"{WALLET}\u{200d}\""), "\\u{200d}"),
        ("text that turns", format!("\"{}\u{202e}{}\"", &WALLET[..9], &WALLET[9..]), "\\u{202e}"),
        ("a bidi isolate", format!("\"\u{2066}{WALLET}\u{2069}\""), "\\u{2066}"),
        (
            "Cyrillic that looks the same",
            format!("\"{}\"", WALLET.replacen('C', "\u{421}", 1)),
            "\\u{421}",
        ),
        ("full-width letters", "\"\u{ff23}onfig\"".into(), "\\u{ff23}"),
        ("half a surrogate pair", "\"\\ud800\"".into(), "not valid Unicode"),
        ("the other half", "\"EV1L\\udc00\"".into(), "not valid Unicode"),
        ("SQL", "\"'; drop table batches; -- EV1L\"".into(), "drop table"),
        ("a formula", "\"=cmd|'/c EV1L'!A1\"".into(), "=cmd"),
        ("a template", "\"${jndi:ldap://EV1L/x}\"".into(), "jndi"),
        ("markup", "\"<script>EV1L</script>\"".into(), "script"),
        ("a path", "\"../../etc/EV1L\"".into(), "etc"),
        ("a format", "\"%s%n{}EV1L\"".into(), "%s%n"),
        ("a very long text", format!("\"{long}\""), "...\": not a Solana address"),
        ("an address of another chain", format!("\"{CHECKSUMMED}\""), SOLANA),
    ] {
        rows.push(Row::new(format!("address: {what}"), of("\"solana\"", &json), INVALID, says));
    }
    // A chain without a provider is named, and the addresses are checked all the same.
    for (what, address, says) in [
        ("no 0x", &CHECKSUMMED[2..], EVM),
        ("0X", &CHECKSUMMED.replacen("0x", "0X", 1), EVM),
        ("a digit too few", &CHECKSUMMED[..41], EVM),
        ("a digit too many", &format!("{CHECKSUMMED}0"), EVM),
        ("a letter that is no digit", &format!("{}g", &CHECKSUMMED[..41]), EVM),
        ("a space", &format!("{CHECKSUMMED} "), EVM),
        ("a name", "EV1L.eth", EVM),
        ("a Solana address", WALLET, EVM),
        ("a wrong checksum", MISSPELLED, CHECKSUMMED),
        ("another wrong checksum", &CHECKSUMMED.replace("Aed", "AeD"), CHECKSUMMED),
    ] {
        for chain in ["\"ethereum\"", "\"base\"", "\"bsc\""] {
            let what = format!("address on {chain}: {what}");
            rows.push(Row::new(what, of(chain, &format!("\"{address}\"")), INVALID, says));
        }
    }
    let many = (0..250).map(|n| format!("\"EV1L{n}\"")).collect::<Vec<_>>().join(",");
    let says = "250 fields are not valid; the first 100 are listed";
    rows.push(Row::new("250 bad addresses", of("\"solana\"", &many), INVALID, says));
}

fn chains(rows: &mut Vec<Row>) {
    let wallet = format!("\"{WALLET}\"");
    for (chain, says) in [
        ("\"doge\"", "unknown-chain unknown chain \"doge\"; known are solana, ethereum, base"),
        ("\"Solana\"", "\"Solana\""),
        ("\"\"", "unknown chain \"\""),
        ("\" solana\"", "\" solana\""),
        ("\"solana\\u0000\"", "\\u{0}"),
        ("\"s\u{43e}lana\"", "\\u{43e}"),
        ("\"EV1L\\u001b[31m\"", "\\u{1b}"),
        ("\"\\ud83d\"", "/chain wrong-type"),
        ("7", "/chain wrong-type"),
        ("null", "/chain wrong-type"),
        ("[\"solana\"]", "/chain wrong-type"),
        ("{}", "/chain wrong-type"),
    ] {
        rows.push(Row::new(format!("chain {chain}"), of(chain, &wallet), INVALID, says));
    }
    for chain in ["ethereum", "base", "binance-smart-chain", "eth", "bsc"] {
        for address in [CHECKSUMMED, &CHECKSUMMED.to_lowercase()] {
            let sent = of(&format!("\"{chain}\""), &format!("\"{address}\""));
            let expected = (422, "chain-unavailable");
            rows.push(Row::new(format!("{chain} has no provider"), sent, expected, "/chain"));
        }
    }
}

fn members(rows: &mut Vec<Row>) {
    for (rest, says) in [
        (r#""method":"EV1L""#, "/method unknown-method the method \"EV1L\" is not offered"),
        (r#""options":{"lots":{"a:0":[{"lot":"b:0","raw":"1"}]}}"#, "/options/lots contradiction"),
        (r#""method":"specific","options":{"lots":{"a:0":[]}}"#, "/options/lots/a:0 bad-option"),
        (
            r#""method":"specific","options":{"lots":{"EV1L":[{"lot":"b:0","raw":"1"}]}}"#,
            "/options/lots/EV1L bad-option",
        ),
        (r#""method":"FIFO""#, "/method unknown-method"),
        (r#""method":"fifo\u0000EV1L""#, "\\u{0}"),
        (r#""method":1"#, "/method wrong-type"),
        (r#""method":["fifo"]"#, "/method wrong-type"),
        (r#""options":"EV1L""#, "/options wrong-type"),
        (r#""options":[]"#, "/options wrong-type"),
        (r#""options":{"scoop":1}"#, "/options/scoop unknown-field"),
        (r#""options":{"scope":"EV1L"}"#, "/options/scope bad-option"),
        (r#""options":{"scope":7}"#, "/options/scope bad-option"),
        (r#""options":{"scope":null}"#, "/options/scope bad-option"),
        (r#""options":{"scope":"wallet","scope":"global"}"#, "/options/scope duplicate-key"),
        (r#""options":{"quote_assets":"EV1L"}"#, "/options/quote_assets bad-option"),
        (r#""options":{"quote_assets":["native","EV1L"]}"#, "/options/quote_assets/1 bad-option"),
        (r#""options":{"quote_assets":["EV1L\u0000"]}"#, "/options/quote_assets/0 bad-option"),
        (r#""options":{"cash_assets":["\u202eEV1L"]}"#, "\"\\u{202e}EV1L\" is no asset of solana"),
        (r#""options":{"cash_assets":[null]}"#, "/options/cash_assets/0 bad-option"),
        (
            r#""options":{"cash_assets":["0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"]}"#,
            "expected a mint or native",
        ),
        (r#""options":{"same_ts":"acquire_first"}"#, "/options/same_ts bad-option"),
        (r#""time_range":"2d""#, "/time_range bad-time-range"),
        (r#""time_range":"ALL""#, "/time_range bad-time-range"),
        (r#""time_range":7"#, "/time_range wrong-type"),
        (r#""time_range":[]"#, "/time_range wrong-type"),
        (r#""as_of":"EV1L""#, "/as_of bad-time-range \"EV1L\" is no RFC 3339 time"),
        (r#""as_of":1714521600"#, "/as_of wrong-type"),
        (r#""as_of":{}"#, "/as_of/block missing-field"),
        (r#""as_of":{"block":-1}"#, "/as_of/block out-of-range"),
        (r#""as_of":{"block":1e3}"#, "/as_of/block out-of-range"),
        (r#""as_of":{"block":"7"}"#, "/as_of/block wrong-type"),
        (r#""as_of":{"block":9223372036854775808}"#, "/as_of/block out-of-range"),
        (r#""as_of":{"block":7,"slot":7}"#, "/as_of/slot unknown-field"),
        (r#""as_of":{"block":7},"max_transactions":5"#, "/as_of contradiction"),
        (r#""as_of":"2999-01-01T00:00:00Z""#, "/as_of out-of-range"),
        (r#""as_of":"2024-01-01T00:00:00Z","max_transactions":5"#, "/as_of contradiction"),
        (
            r#""as_of":"2024-01-01T00:00:00Z","time_range":{"from":"2023-01-01T00:00:00Z","to":"2024-01-02T00:00:00Z"}"#,
            "/as_of contradiction the time range must end at as_of",
        ),
        (r#""webhook_url":"EV1L""#, "/webhook_url bad-url not a URL"),
        (r#""webhook_url":"http://EV1L/""#, "/webhook_url bad-url"),
        (r#""webhook_url":"file:///EV1L""#, "/webhook_url bad-url"),
        (r#""webhook_url":"https://EV1L:x@example.org/""#, "/webhook_url bad-url"),
        (r#""webhook_url":"https://example.org/#EV1L""#, "/webhook_url bad-url"),
        (r#""webhook_url":"https://10.0.0.1/EV1L""#, "an address that is not public"),
        (r#""webhook_url":"https://[::ffff:127.0.0.1]/EV1L""#, "an address that is not public"),
        (r#""webhook_url":["https://example.org/EV1L"]"#, "/webhook_url wrong-type"),
        (r#""time_range":{}"#, "/time_range/from missing-field"),
        (r#""time_range":{"from":1,"to":2}"#, "/time_range/from wrong-type"),
        (
            r#""time_range":{"from":"EV1L","to":"2024-01-01T00:00:00Z"}"#,
            "/time_range/from bad-time-range",
        ),
        (
            r#""time_range":{"from":"2024-02-30T00:00:00Z","to":"2024-03-01T00:00:00Z"}"#,
            "2024-02-30",
        ),
        (r#""time_range":{"from":"2024-01-01","to":"2024-03-01"}"#, "RFC 3339"),
        (
            r#""time_range":{"from":"99999-01-01T00:00:00Z","to":"2024-03-01T00:00:00Z"}"#,
            "/time_range/from",
        ),
        (
            r#""time_range":{"from":"2024-01-02T00:00:00Z","to":"2024-01-01T00:00:00Z"}"#,
            "from must lie before to",
        ),
        (
            r#""time_range":{"from":"2024-01-01T00:00:00Z","to":"2024-01-01T00:00:00Z"}"#,
            "from must lie before to",
        ),
        (
            r#""time_range":{"from":"2024-01-01T00:00:00Z","to":"2024-02-01T00:00:00Z","x":1}"#,
            "/time_range/x",
        ),
    ] {
        rows.push(Row::new(rest, with(rest), INVALID, says));
    }
    for number in [
        "0",
        "-0",
        "-1",
        "1.5",
        "1.0",
        "1e2",
        "1e999",
        "-1e999",
        "1e-999",
        "1000000001",
        "4294967296",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        let rest = format!("\"max_transactions\":{number}");
        let says = format!("/max_transactions out-of-range \"{number}\" is no whole number from 1");
        rows.push(Row::new(&rest, with(&rest), INVALID, says));
    }
    let many = format!("\"options\":{{\"cash_assets\":[{}]}}", ["\"native\""; 101].join(","));
    let says = "/options/cash_assets bad-option the list has 101 entries; at most 100";
    rows.push(Row::new("101 assets", with(&many), INVALID, says));
    let long = format!("\"webhook_url\":\"https://example.org/{}\"", "EV1L".repeat(600));
    rows.push(Row::new("a long URL", with(&long), INVALID, "longer than 2048 bytes"));
    let huge = format!("\"max_transactions\":{}", "9".repeat(100_000));
    rows.push(Row::new("a number of 100,000 digits", with(&huge), INVALID, "...\" is no whole"));
    for (json, found) in [("\"9\"", "a string"), ("true", "a boolean"), ("[1]", "a list")] {
        let rest = format!("\"max_transactions\":{json}");
        let says = format!("expected a whole number, found {found}");
        rows.push(Row::new(&rest, with(&rest), INVALID, says));
    }
}

/// Values in paths and queries.
pub fn in_the_address(known: &Known) -> Vec<Row> {
    let mut rows = Vec::new();
    let get = |target: &str| request("GET", target, &[], b"");
    for (text, says) in [
        ("7", "\"7\" is no job id"),
        ("EV1L", "is no job id"),
        ("00000000-0000-0000-0000-000000000000", "no job with the id"),
        ("00000000-0000-4000-8000-000000000000", "no job with the id"),
        ("0193E0F5-7C1F-7D0E-8B5A-0F4A5C1D2E3F", "no job with the id"),
        ("0193e0f57c1f7d0e8b5a0f4a5c1d2e3f", "is no job id"),
        ("%7B0193e0f5-7c1f-7d0e-8b5a-0f4a5c1d2e3f%7D", "is no job id"),
        ("0193e0f5-7c1f-7d0e-8b5a-0f4a5c1d2e3g", "is no job id"),
        ("%FF%FE", "not UTF-8"),
        ("%00EV1L", "\\u{0}EV1L"),
        ("EV1L%0d%0aforged:%201", "\\r\\n"),
        ("%1b%5B31mEV1L", "\\u{1b}"),
        ("%E2%80%AEEV1L", "\\u{202e}"),
        ("'%20or%201=1;--%20EV1L", "is no job id"),
        ("..%2f..%2fetc%2fEV1L", "is no job id"),
    ] {
        for (method, path) in [
            ("GET", format!("/api/pnl/batch/status/{text}")),
            ("GET", format!("/api/pnl/batch/results/{text}")),
            ("GET", format!("/api/pnl/batch/results/{text}/export.csv")),
            ("POST", format!("/api/pnl/batch/{text}/cancel")),
            ("POST", format!("/api/pnl/batch/{text}/retry")),
            ("GET", format!("/api/pnl/batch/{text}/webhook")),
            ("POST", format!("/api/pnl/batch/{text}/webhook/replay")),
        ] {
            let code = if says == "not UTF-8" { "not-found" } else { "unknown-job" };
            let sent = request(method, &path, &[], b"");
            rows.push(Row::new(format!("{method} {path}"), sent, (404, code), says));
        }
    }
    for (text, chain, says) in [
        ("wallet1", "sol", SOLANA),
        (WALLET, "base", EVM),
        (MISSPELLED, "eth", CHECKSUMMED),
        ("EV1L%0d%0a", "sol", "\\r\\n"),
        ("%E2%80%AEEV1L", "sol", "\\u{202e}"),
        ("'%3Bdrop%20table%20batches%3B--EV1L", "bsc", EVM),
    ] {
        for route in [
            "pnl",
            "ledger",
            "transactions",
            "tokens",
            "coverage",
            "equity",
            "calendar",
            "distribution",
            "what-if",
            "disposals",
            "disposals/5h:0:out/explain",
        ] {
            let path = format!("/api/v2/wallets/{text}/{route}?chain={chain}");
            let what = format!("{path} is no wallet");
            rows.push(Row::new(what, get(&path), INVALID, "{wallet} bad-address \""));
            rows.push(Row::new(&path, get(&path), INVALID, says));
        }
    }
    let results = format!("/api/pnl/batch/results/{}", known.job);
    let mut tampered = known.cursor.clone();
    let last = if tampered.ends_with('0') { "1" } else { "0" };
    tampered.replace_range(tampered.len() - 1.., last);
    let cursors = ["", "0", "EV1L", "00", "%00", "%FF", "%E2%80%AE", &tampered, &"0".repeat(5_000)];
    let ledger = format!("/api/v2/wallets/{WALLET}/ledger?chain=sol&");
    let transactions = format!("/api/v2/wallets/{WALLET}/transactions?chain=sol&");
    let disposals = format!("/api/v2/wallets/{WALLET}/disposals?chain=sol&");
    let lots = format!("/api/v2/wallets/{WALLET}/disposals/5h:0:out/explain?chain=sol&");
    let tokens = format!("/api/v2/wallets/{WALLET}/tokens?chain=sol&");
    let equity = format!("/api/v2/wallets/{WALLET}/equity?chain=sol&");
    let spread = format!("/api/v2/wallets/{WALLET}/distribution?chain=sol&");
    let diff = format!("/api/v2/wallets/{WALLET}/diff?chain=sol&");
    let results_page = format!("{results}?");
    let sorted_page = format!("{results}?sort=trades&");
    for list in [
        "/api/pnl/batch?",
        "/api/pnl/results?",
        &results_page,
        &sorted_page,
        &ledger,
        &transactions,
        &disposals,
        &lots,
        &tokens,
    ] {
        for cursor in cursors {
            let path = format!("{list}cursor={cursor}");
            let what: String = path.chars().take(150).collect();
            rows.push(Row::new(what, get(&path), BAD_CURSOR, "leave it out to begin"));
        }
        if list != results_page {
            let path = format!("{list}cursor={}", known.cursor);
            let what = format!("a cursor of another list at {list}");
            rows.push(Row::new(what, get(&path), BAD_CURSOR, "next_cursor"));
        }
        for limit in [
            "0",
            "-1",
            "-0",
            "1001",
            "1.5",
            "1e2",
            "1e999",
            "18446744073709551616",
            "",
            "%20",
            "EV1L",
        ] {
            let path = format!("{list}limit={limit}");
            rows.push(Row::new(&path, get(&path), BAD_QUERY, "?limit out-of-range"));
        }
    }
    forged_cursors(&mut rows, known);
    for id in ["EV1L", "5h:0:EV1L", "5h:0:fee.1", "%00EV1L:0:out", "%E2%80%AE:0:out", "..%2f:0"] {
        let path = format!("/api/v2/wallets/{WALLET}/disposals/{id}/explain?chain=sol");
        let what = format!("{path} is no disposal");
        rows.push(Row::new(what, get(&path), (404, "unknown-disposal"), "names no disposal"));
    }
    let path = format!(
        "/api/v2/wallets/{WALLET}/pnl?chain=sol&as_of=2024-01-01T00:00:00Z\
         &time_range=2023-01-01T00:00:00Z..2024-01-02T00:00:00Z"
    );
    rows.push(Row::new(&path, get(&path), INVALID, "?as_of contradiction the time range"));
    let path = format!("{diff}from={0}&to={0}", known.job);
    let what = "a difference of jobs that are not done";
    rows.push(Row::new(what, get(&path), (404, "unknown-result"), "is not done"));
    for (path, says) in [
        (format!("{results}?limit=5&limit=5"), "?limit duplicate-key"),
        (
            format!("{results}?page=2"),
            "?page unknown-field unknown parameter; known here: limit, cursor, status",
        ),
        (format!("{results}?status=EV1L"), "?status bad-value \"EV1L\" is none of queued, running"),
        (format!("{results}?status="), "?status bad-value"),
        (format!("{results}?error_code="), "?error_code bad-value \"\" is no code of a wallet"),
        (format!("{results}?error_code=%00"), "?error_code bad-value"),
        (format!("{results}?error_code=%E2%80%AEEV1L"), "\\u{202e}EV1L"),
        (format!("{results}?error_code={}", "a".repeat(65)), "?error_code bad-value"),
        (format!("{results}?sort=analyzed_at"), "?sort bad-value"),
        (format!("{results}?sort=trades%3Bdrop"), "?sort bad-value"),
        (format!("{results}?min_pnl=EV1L"), "?min_pnl bad-value \"EV1L\" is no amount"),
        (format!("{results}?max_pnl=NaN"), "?max_pnl bad-value"),
        (format!("{results}?profitable=EV1L"), "?profitable bad-value"),
        (format!("{results}?EV1L%0d%0a=2"), "?EV1L\\r\\n: unknown parameter"),
        (format!("{results}?%E2%80%AEEV1L=2"), "?\\u{202e}EV1L: unknown parameter"),
        (format!("{results}/export.csv?partial=maybe"), "?partial bad-value"),
        (format!("{results}/export.csv?partial=%E2%80%AE"), "\\u{202e}"),
        (format!("/api/pnl/batch/status/{}?x=1", known.job), "?x unknown-field"),
        (
            "/api/pnl/batch?status=EV1L".into(),
            "?status bad-value \"EV1L\" is none of queued, running",
        ),
        ("/api/pnl/batch?status=%FF".into(), "?status bad-value"),
        ("/api/pnl/batch?status='%20or%201=1".into(), "?status bad-value"),
        ("/api/pnl/results?chain=doge".into(), "?chain unknown-chain"),
        ("/api/pnl/results?chain=sol&chain=eth".into(), "?chain duplicate-key"),
        ("/api/pnl/results?sort=EV1L".into(), "?sort bad-value"),
        ("/api/pnl/results?page=0".into(), "?page bad-value \"0\" is no whole number from 1 on"),
        ("/api/pnl/results?page=EV1L".into(), "?page bad-value"),
        ("/api/pnl/results?page=4294967296".into(), "?page bad-value"),
        ("/api/pnl/results?page=4294967295&limit=100".into(), "?page out-of-range"),
        ("/api/pnl/results?page=1&limit=101".into(), "?limit out-of-range"),
        ("/api/pnl/results?profitable=EV1L".into(), "?profitable bad-value"),
        ("/api/pnl/results?min_trades=-1".into(), "?min_trades bad-value"),
        ("/api/pnl/results?min_trades=1e3".into(), "?min_trades bad-value"),
        ("/api/pnl/results?min_pnl=EV1L".into(), "?min_pnl bad-value \"EV1L\" is no amount"),
        ("/api/pnl/results?max_pnl=NaN".into(), "?max_pnl bad-value"),
        ("/api/pnl/results?max_pnl=1e999".into(), "?max_pnl bad-value"),
        ("/api/pnl/results?max_pnl=%E2%80%AE1".into(), "\\u{202e}1"),
        ("/api/pnl/results?updated_since=EV1L".into(), "?updated_since bad-value"),
        ("/api/pnl/results?updated_since=2024-01-01".into(), "is no RFC 3339 time"),
        ("/api/pnl/results?sort=total_pnl_usd%3Bdrop".into(), "?sort bad-value"),
        ("/api/leaderboard?by=analyzed_at".into(), "?by bad-value"),
        ("/api/leaderboard?by=%E2%80%AEEV1L".into(), "\\u{202e}EV1L"),
        ("/api/leaderboard?limit=101".into(), "?limit out-of-range"),
        ("/api/leaderboard?chain=doge".into(), "?chain unknown-chain"),
        ("/api/leaderboard?cursor=0".into(), "?cursor unknown-field"),
        (format!("/api/compare?wallets={WALLET}"), "?chain missing-field"),
        ("/api/compare?chain=sol".into(), "?wallets missing-field"),
        ("/api/compare?chain=sol&wallets=".into(), "?wallets bad-address"),
        (format!("/api/compare?chain=sol&wallets={WALLET},EV1L"), "?wallets bad-address \"EV1L\""),
        (format!("/api/compare?chain=eth&wallets={WALLET}"), "?wallets bad-address"),
        (format!("/api/compare?chain=sol&wallets={WALLET},{WALLET}"), "?wallets bad-value"),
        (format!("/api/compare?chain=sol&wallets={}", ",".repeat(20)), "?wallets out-of-range"),
        (
            "/api/services/status?x=1".into(),
            "?x unknown-field unknown parameter; this route takes none",
        ),
        (format!("/api/v2/wallets/{WALLET}/pnl"), "?chain missing-field"),
        (format!("/api/v2/wallets/{WALLET}/pnl?chain=doge"), "?chain unknown-chain"),
        (format!("/api/v2/wallets/{WALLET}/pnl?chain=sol&include=all"), "?include bad-value"),
        (format!("/api/v2/wallets/{WALLET}/pnl?chain=sol&include="), "?include bad-value"),
        (format!("/api/v2/wallets/{WALLET}/pnl?chain=sol&method=gavg"), "?method unknown-method"),
        (
            format!("/api/v2/wallets/{WALLET}/pnl?chain=sol&method=specific"),
            "?method unknown-method",
        ),
        (format!("/api/v2/wallets/{WALLET}/ledger?chain=sol&format=xml"), "?format bad-value"),
        (format!("{disposals}asset=EV1L"), "?asset bad-asset \"EV1L\" is no asset of solana"),
        (format!("{disposals}asset=%E2%80%AEnative"), "\\u{202e}native"),
        (
            format!("/api/v2/wallets/{WALLET}/what-if?chain=sol&method=lifo"),
            "?method unknown-field unknown parameter; known here: chain",
        ),
        (format!("/api/v2/wallets/{WALLET}/what-if"), "?chain missing-field"),
        (format!("{tokens}sort=EV1L"), "?sort unknown-field"),
        (format!("{diff}to={}", known.job), "?from missing-field"),
        ("/api/events".into(), "?job_id missing-field"),
        ("/api/events?job_id=EV1L".into(), "?job_id bad-value \"EV1L\" is no job id"),
        (format!("/api/events?job_id={}&after=EV1L", known.job), "?after bad-value"),
        (format!("{diff}from={}&to=EV1L", known.job), "?to bad-value \"EV1L\" is no job id"),
        (format!("{diff}from=%E2%80%AE&to={}", known.job), "\\u{202e}"),
        (format!("{diff}from={0}&to={0}&method=fifo", known.job), "?method unknown-field"),
        (format!("{equity}period=year"), "?period bad-value \"year\" is none of day, week, month"),
        (format!("{equity}limit=1"), "?limit unknown-field"),
        (format!("{spread}by=EV1L"), "?by bad-value"),
        (format!("{spread}edges="), "?edges bad-value"),
        (format!("{spread}edges=5,5"), "rising whole percents"),
        (format!("{spread}edges=1e2"), "?edges bad-value"),
        (format!("{spread}edges=-101"), "?edges bad-value"),
        (format!("{spread}boundary=12"), "?boundary bad-value \"12\" is no boundary"),
        (format!("{spread}boundary=-1s"), "?boundary bad-value"),
        (format!("{spread}boundary=9999m"), "?boundary bad-value"),
        (format!("{tokens}time_range=EV1L"), "?time_range bad-time-range \"EV1L\""),
        (format!("{tokens}time_range=2024-01-02T00:00:00Z..2024-01-01T00:00:00Z"), "from must lie"),
        (format!("{disposals}as_of=EV1L"), "?as_of bad-time-range \"EV1L\" is no RFC 3339"),
        (format!("{disposals}as_of=%E2%80%AE"), "\\u{202e}"),
        (format!("{disposals}as_of_block=-1"), "?as_of_block out-of-range \"-1\" is no number"),
        (format!("{disposals}as_of_block=9223372036854775808"), "?as_of_block out-of-range"),
        (format!("/api/v2/wallets/{WALLET}/coverage?chain=sol&limit=1"), "?limit unknown-field"),
        (format!("{disposals}include=lots"), "?include unknown-field"),
        (format!("{disposals}method=gavg"), "?method unknown-method"),
        (format!("{lots}method=specific"), "?method unknown-method"),
        (format!("{lots}job_id=7"), "?job_id bad-value \"7\" is no job id"),
        (format!("{lots}time_range=EV1L"), "?time_range bad-time-range \"EV1L\""),
        (format!("/api/v2/wallets/{WALLET}/what-if?chain=sol&as_of=EV1L"), "?as_of bad-time-range"),
        (
            format!("/api/v2/wallets/{WALLET}/ledger?chain=sol&format=oracle&limit=5"),
            "?limit unknown-field",
        ),
    ] {
        rows.push(Row::new(&path, get(&path), BAD_QUERY, says));
    }
    for (query, says) in [
        ("traffic-analysis?window=EV1L", "?window bad-value"),
        ("traffic-analysis?window=1h&window=1h", "?window duplicate-key"),
        ("capacity?rps=EV1L", "?rps bad-value"),
        ("capacity?rps=18446744073709551616", "?rps bad-value"),
        ("capacity?latency_ms=-1", "?latency_ms bad-value"),
        ("cost?job_id=EV1L", "?job_id bad-value"),
        ("cost?window=", "?window bad-value"),
        ("performance-metrics?EV1L=1", "?EV1L unknown-field"),
    ] {
        let path = format!("/api/performance/{query}");
        rows.push(Row::new(&path, get(&path), BAD_QUERY, says));
    }
    rows
}

/// Cursors with a right check value and a position that no list has.
fn forged_cursors(rows: &mut Vec<Row>, known: &Known) {
    let results = format!("results {}", known.job);
    let of_results = format!("/api/pnl/batch/results/{}?", known.job);
    let sorted = format!("{of_results}sort=trades&");
    let by_trades = format!("{results} sort=trades true");
    let by_time = "latest 3 None analyzed_at false";
    let by_total = "latest 3 None total_pnl_usd false";
    let totals = "/api/pnl/results?sort=-total_pnl_usd&";
    let key = "2026-01-01 00:00:00+00";
    let now = chrono::Utc::now().timestamp_micros();
    for (list, scope, position) in [
        // The job has three wallets.
        (of_results.as_str(), results.as_str(), "3".to_owned()),
        (&of_results, &results, "2147483647".into()),
        (&of_results, &results, "2147483648".into()),
        (&of_results, &results, "4294967295".into()),
        (&of_results, &results, "4294967296".into()),
        (&of_results, &results, "-1".into()),
        (&sorted, &by_trades, "7".into()),
        (&sorted, &by_trades, "7 EV1L".into()),
        (&sorted, &by_trades, "EV1L 7".into()),
        (&sorted, &by_trades, "9223372036854775808 7".into()),
        (&sorted, &by_trades, "7 1.5".into()),
        ("/api/pnl/results?", by_time, format!("solana {WALLET}")),
        ("/api/pnl/results?", by_time, format!("solana {WALLET} {now}")),
        ("/api/pnl/results?", by_time, format!("solana {WALLET} EV1L {key}")),
        ("/api/pnl/results?", by_time, format!("solana {WALLET} {} {key}", i64::MAX)),
        ("/api/pnl/results?", by_time, format!("solana {WALLET} 253402300800000000 {key}")),
        ("/api/pnl/results?", by_time, format!("solana {WALLET} {now} EV1L")),
        ("/api/pnl/results?", by_time, format!("solana {WALLET} {now} 2026-02-30 00:00:00+00")),
        ("/api/pnl/results?", by_time, format!("EV1L {WALLET} {now} {key}")),
        ("/api/pnl/results?", by_time, format!("solana EV1L\0 {now} {key}")),
        (totals, by_total, format!("solana {WALLET} {now} 1e999999")),
        (totals, by_total, format!("solana {WALLET} {now} 1\0")),
    ] {
        let target = format!("{list}cursor={}", cursor::encode(scope, &position));
        let what = format!("{list} behind {position:?}");
        rows.push(Row::new(what, request("GET", &target, &[], b""), BAD_CURSOR, "names no row"));
    }
}
