//! `demo`: a client of the service, as short as one can be. It submits wallets, follows the job and
//! prints a table of the results. `make demo` runs it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use serde_json::{Value, json};

/// Pause between two looks at the job.
const PAUSE: Duration = Duration::from_millis(250);

/// The demo takes seconds; something is wrong after so long.
const LONGEST: Duration = Duration::from_secs(300);

/// Submits wallets as one batch job, waits for it and prints the results.
#[derive(Debug, Parser)]
struct Options {
    /// The service, http://HOST:PORT
    #[arg(long)]
    server: String,
    /// Its admin listener, http://HOST:PORT
    #[arg(long)]
    admin: String,
    /// File with one wallet address a line
    #[arg(long)]
    wallets: PathBuf,
    /// The chain of the wallets
    #[arg(long, default_value = "solana")]
    chain: String,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut out = io::stdout().lock();
    let text = std::fs::read_to_string(&options.wallets)
        .with_context(|| format!("cannot read {}", options.wallets.display()))?;
    let wallets: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();

    let body = json!({ "wallet_addresses": wallets, "chain": options.chain });
    writeln!(out, "\nPOST {}/api/pnl/batch/run with {} wallets", options.server, wallets.len())?;
    let job = request(&options.server, "POST", "/api/pnl/batch/run", Some(&body))?;
    let job_id = text_of(&job, "job_id")?;
    // The same request with the same key would answer with this job again, not start another.
    writeln!(out, "accepted as job {job_id}")?;

    let job = follow(&options.server, &text_of(&job, "status_url")?, &mut out)?;
    let rows = results(&options.server, &text_of(&job, "results_url")?)?;
    table(&rows, &mut out)?;
    where_to_look(&options, &job, &rows, &mut out)?;
    let status = text_of(&job, "status")?;
    ensure!(status == "completed", "the job ended as {status}");
    Ok(())
}

/// Shows the progress of a job until it has ended; its last status.
fn follow(server: &str, status_url: &str, out: &mut impl Write) -> anyhow::Result<Value> {
    let began = Instant::now();
    let mut shown = String::new();
    loop {
        let job = request(server, "GET", status_url, None)?;
        let counts = &job["counts"];
        let line = format!(
            "  {:<22} {} of {} done, {} running, {} queued",
            text_of(&job, "status")?,
            counts["done"],
            counts["total"],
            counts["running"],
            counts["queued"]
        );
        if line != shown {
            writeln!(out, "{line}")?;
            shown = line;
        }
        if matches!(
            job["status"].as_str(),
            Some("completed" | "completed_with_errors" | "failed" | "cancelled")
        ) {
            return Ok(job);
        }
        ensure!(began.elapsed() < LONGEST, "the job did not end in time");
        sleep(PAUSE);
    }
}

/// All rows of the results, page by page.
fn results(server: &str, results_url: &str) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut url = results_url.to_owned();
    loop {
        let page = request(server, "GET", &url, None)?;
        rows.extend(page["data"].as_array().cloned().unwrap_or_default());
        match page["next_cursor"].as_str() {
            Some(cursor) => url = format!("{results_url}?cursor={cursor}"),
            None => return Ok(rows),
        }
    }
}

/// The columns of the table: heading and member of `result`, all of them US dollars.
const COLUMNS: [(&str, &str); 6] = [
    ("realized", "realized_gain_usd"),
    ("income", "income_usd"),
    ("fee expense", "fee_expense_usd"),
    ("net realized", "net_realized_usd"),
    ("unrealized", "unrealized_gain_usd"),
    ("total P&L", "total_pnl_usd"),
];

fn table(rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\nProfit and loss, FIFO, in US dollars (rounded to cents here, exact in the API)\n"
    )?;
    write!(out, "{:<13}", "wallet")?;
    for (heading, _) in COLUMNS {
        write!(out, "{heading:>14}")?;
    }
    writeln!(out, "{:>8}{:>14}  coverage", "trades", "transactions")?;
    for row in rows {
        let wallet = row["wallet"].as_str().unwrap_or_default();
        write!(out, "{:<13}", short(wallet))?;
        let result = &row["result"];
        if result.is_null() {
            let code = row["error"]["code"].as_str().unwrap_or("no result");
            writeln!(out, "  {}: {code}", row["status"].as_str().unwrap_or_default())?;
            continue;
        }
        for (_, member) in COLUMNS {
            write!(out, "{:>14}", cents(result[member].as_str().unwrap_or("?")))?;
        }
        let coverage = match result["coverage"]["complete"].as_bool() {
            Some(true) => "complete",
            _ => "incomplete",
        };
        let [trades, transactions] =
            [&result["trades"], &result["transactions"]].map(Value::to_string);
        writeln!(out, "{trades:>8}{transactions:>14}  {coverage}")?;
    }
    notes(rows, out)
}

/// What the figures do not cover: which warnings each wallet has, and what each kind means.
fn notes(rows: &[Value], out: &mut impl Write) -> io::Result<()> {
    let mut meanings = BTreeMap::new();
    writeln!(out, "\nNotes")?;
    for row in rows {
        let mut codes = Vec::new();
        for warning in row["result"]["warnings"].as_array().into_iter().flatten() {
            let [code, detail] =
                ["code", "detail"].map(|member| warning[member].as_str().unwrap_or_default());
            codes.push(code);
            meanings.entry(code).or_insert(detail);
        }
        if !codes.is_empty() {
            codes.dedup();
            let wallet = row["wallet"].as_str().unwrap_or_default();
            writeln!(out, "  {:<13}{}", short(wallet), codes.join(", "))?;
        }
    }
    for (code, meaning) in meanings {
        writeln!(out, "  {code:<22}{meaning}")?;
    }
    Ok(())
}

fn where_to_look(
    options: &Options,
    job: &Value,
    rows: &[Value],
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let Options { server, admin, chain, .. } = options;
    let wallet = rows.first().and_then(|row| row["wallet"].as_str()).unwrap_or("WALLET");
    let results = text_of(job, "results_url")?;
    let results = path_of(server, &results);
    writeln!(out, "\nWhere to look next")?;
    for (what, url) in [
        ("every figure of every wallet", format!("{server}{results}")),
        ("the same as CSV", format!("{server}{results}/export.csv")),
        (
            "one wallet with lots and disposals",
            format!("{server}/api/v2/wallets/{wallet}/pnl?chain={chain}&include=lots,disposals"),
        ),
        (
            "where each cent comes from",
            format!("{server}/api/v2/wallets/{wallet}/ledger?chain={chain}"),
        ),
        ("all wallets, with a summary", format!("{server}/api/pnl/results")),
        ("queue, workers, providers", format!("{server}/api/services/status")),
        ("metrics for Prometheus", format!("{admin}/metrics")),
    ] {
        writeln!(out, "  {what:<36}{url}")?;
    }
    writeln!(out)?;
    Ok(())
}

/// The first and last characters of an address.
fn short(address: &str) -> String {
    match (address.get(..5), address.get(address.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if address.len() > 12 => format!("{head}…{tail}"),
        _ => address.to_owned(),
    }
}

/// A decimal text rounded half up (by amount) to two places, with digits alone: a float would not
/// hold every amount. What is no decimal text stays as it is.
fn cents(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let three: String = fraction.chars().chain("000".chars()).take(3).collect();
    let Ok(thousandths) = format!("{whole}{three}").parse::<u128>() else {
        return text.to_owned();
    };
    let cents = (thousandths + 5) / 10;
    let sign = if cents == 0 { "" } else { sign };
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

fn text_of(value: &Value, member: &str) -> anyhow::Result<String> {
    let text = value[member].as_str().with_context(|| format!("no {member:?} in {value}"))?;
    Ok(text.to_owned())
}

/// The path of a URL of this server; the service may give absolute URLs or paths.
fn path_of<'u>(server: &str, url: &'u str) -> &'u str {
    url.strip_prefix(server).unwrap_or(url)
}

/// One HTTP/1.1 exchange on a connection of its own; the answer as JSON.
fn request(server: &str, method: &str, url: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let path = path_of(server, url);
    let host = server.strip_prefix("http://").context("the server is no http:// URL")?;
    let mut stream = TcpStream::connect(host).with_context(|| format!("cannot reach {server}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n\
         Connection: close\r\n"
    )?;
    if method == "POST" {
        let key = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        write!(
            stream,
            "Content-Type: application/json\r\nIdempotency-Key: demo-{key}\r\n\
             Content-Length: {}\r\n",
            body.len()
        )?;
    }
    write!(stream, "\r\n{body}")?;
    stream.flush()?;

    let (status, answer) = read_answer(&mut BufReader::new(stream))?;
    let answer: Value =
        serde_json::from_slice(&answer).with_context(|| format!("{method} {path}: no JSON"))?;
    if !(200..300).contains(&status) {
        bail!("{method} {path}: {status} {}", answer["detail"].as_str().unwrap_or_default());
    }
    Ok(answer)
}

/// Status and body of an answer whose connection closes after it.
fn read_answer(stream: &mut impl BufRead) -> anyhow::Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("no HTTP answer")?.trim().parse()?;
    let mut is_chunked = false;
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let header = line.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        is_chunked |= header.starts_with("transfer-encoding:") && header.ends_with("chunked");
    }
    let mut body = Vec::new();
    if !is_chunked {
        stream.read_to_end(&mut body)?;
        return Ok((status, body));
    }
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).context("a chunk without its size")?;
        if size == 0 {
            return Ok((status, body));
        }
        stream.take(size).read_to_end(&mut body)?;
        // The line end after the chunk.
        stream.read_exact(&mut [0; 2])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_to_cents_without_a_float() {
        for (text, expected) in [
            ("0", "0.00"),
            ("12.345", "12.35"),
            ("-12.345", "-12.35"),
            ("-0.004", "0.00"),
            ("0.999999", "1.00"),
            ("9007199254740993.01", "9007199254740993.01"),
            ("unknown", "unknown"),
        ] {
            assert_eq!(cents(text), expected);
        }
    }

    #[test]
    fn answers_are_read_with_and_without_chunks() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                       3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n";
        let plain = "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(read_answer(&mut chunked.as_bytes()).unwrap(), (200, b"{\"a\":1}".to_vec()));
        assert_eq!(read_answer(&mut plain.as_bytes()).unwrap(), (503, b"{}".to_vec()));
        assert!(read_answer(&mut "".as_bytes()).is_err());
    }

    #[test]
    fn long_addresses_are_shortened_and_short_ones_kept() {
        assert_eq!(short("So11111111111111111111111111111111111111112"), "So111…1112");
        assert_eq!(short("short"), "short");
    }
}
