//! Answers that are kept, beside a handler that does nothing but send the same bytes.

use std::future::{IntoFuture as _, ready};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use clap::Args;
use tokio::process::Command;

use super::figures::Figures;
use super::jobs;
use super::site::{Site, SiteOptions};
use crate::SyntheticPlan;

const PATIENCE: Duration = Duration::from_secs(60);

/// The rate of kept answers and of 304, and their slowest percent, beside a bare handler of the same bytes.
#[derive(Debug, Args)]
pub struct Ratios {
    #[command(flatten)]
    site: SiteOptions,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Rounds, each with all three; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Connections that ask at a time
    #[arg(long, default_value_t = 16)]
    connections: u32,
    /// The generator of requests
    #[arg(long, default_value = "wrk")]
    wrk: PathBuf,
}

impl Ratios {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let plan = SyntheticPlan { transactions_each: 200, tokens: 8, ..SyntheticPlan::default() };
        let site = Site::start(&self.site, plan).await?;
        let service = site.serve(&site.settings("ratios").await?).await?;
        let client = service.client();
        let wallets = site.node.chain().synthetic_wallets();
        jobs::complete(&client, &wallets, PATIENCE).await?;

        let path = format!("/api/v2/wallets/{}/pnl?chain=solana", wallets[0]);
        let answer = client.get(&path).await?;
        let tag = answer.headers.get(header::ETAG).context("the answer has no tag")?.to_str()?;
        let condition = format!("If-None-Match: {tag}");
        let (bare, url) =
            (bare_handler(answer.body.clone()).await?, format!("{}{path}", service.url()));

        let (mut plain, mut kept, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            plain.push(self.ask(&bare, None).await?);
            kept.push(self.ask(&url, None).await?);
            known.push(self.ask(&url, Some(&condition)).await?);
        }
        let last = client.get(&path).await?;
        ensure!(
            last.headers.get("x-cache").is_some_and(|found| found == "HIT"),
            "the answer is not kept"
        );

        let mut figures = Figures::default();
        figures.title(format_args!(
            "Kept answers of {} bytes, {} connections, median of {} rounds of {} s",
            answer.body.len(),
            self.connections,
            self.rounds,
            self.seconds
        ));
        let [plain, kept, known] = [plain, kept, known].map(Measured::median);
        figures.note("bare handler", plain);
        for (name, measured, least) in [("kept answer", kept, 60), ("304", known, 75)] {
            figures.note(name, measured);
            let share = measured.per_second * 100 / plain.per_second.max(1);
            figures.at_least(&format!("{name}: rate beside the bare handler"), share, least, "%");
            let times = measured.slowest_us * 100 / plain.slowest_us.max(1);
            figures.at_most(&format!("{name}: slowest percent beside it"), times, 300, "%");
        }
        service.stop(PATIENCE).await?;
        figures.conclude()
    }

    /// Asks for `url` as fast as it is answered.
    async fn ask(&self, url: &str, header: Option<&str>) -> anyhow::Result<Measured> {
        let mut wrk = Command::new(&self.wrk);
        wrk.args(["--threads", "1", "--latency", "--connections"])
            .arg(self.connections.to_string());
        wrk.args(["--duration", &format!("{}s", self.seconds)]);
        wrk.args(header.into_iter().flat_map(|header| ["--header", header])).arg(url);
        let output =
            wrk.stdin(Stdio::null()).output().await.with_context(|| {
                format!("cannot run {}: apt-get install wrk", self.wrk.display())
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "wrk failed: {}", String::from_utf8_lossy(&output.stderr));
        Measured::read(&text).with_context(|| format!("wrk says: {text}"))
    }
}

/// What wrk measured.
#[derive(Debug, Clone, Copy)]
struct Measured {
    per_second: u64,
    /// What 99 of 100 answers took at most, in microseconds.
    slowest_us: u64,
}

impl Measured {
    fn read(text: &str) -> anyhow::Result<Self> {
        let after = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(str::trim).with_context(|| format!("no line {name}"))
        };
        for trouble in ["Non-2xx", "Socket errors"] {
            if let Ok(found) = after(trouble) {
                bail!("not all were answered: {trouble} {found}");
            }
        }
        let rate = after("Requests/sec:")?;
        let (whole, _) = rate.split_once('.').unwrap_or((rate, ""));
        Ok(Self { per_second: whole.parse()?, slowest_us: microseconds(after("99%")?)? })
    }

    /// The one in the middle by rate, which has the time of its own run.
    fn median(mut all: Vec<Self>) -> Self {
        all.sort_by_key(|one| one.per_second);
        all[all.len() / 2]
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/s, 99 % within {} us", self.per_second, self.slowest_us)
    }
}

/// Microseconds out of `5.34ms`, `812.00us` or `1.02s`, cut.
fn microseconds(text: &str) -> anyhow::Result<u64> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        other => bail!("unknown unit {other}"),
    };
    let (whole, hundredths) = digits.split_once('.').unwrap_or((digits, "0"));
    let (whole, hundredths): (u64, u64) = (whole.parse()?, format!("{hundredths:0<2}").parse()?);
    Ok(whole * unit + hundredths * unit / 100)
}

/// Serves `body` and does nothing else, on a free port of the loopback interface; gives its URL. It ends with the
/// runtime.
async fn bare_handler(body: Bytes) -> anyhow::Result<String> {
    let answer = move || ready(([(header::CONTENT_TYPE, "application/json")], body.clone()));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, Router::new().route("/", get(answer))).into_future());
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_prints_is_read() {
        let text = "  Thread Stats   Avg\n  Latency Distribution\n     50%  410.00us\n     99%    1.56ms\n\
                    Requests/sec:  24771.53\nTransfer/sec:  1.2MB\n";
        let measured = Measured::read(text).unwrap();
        assert_eq!((measured.per_second, measured.slowest_us), (24_771, 1_560));
        assert!(Measured::read(&format!("{text}  Non-2xx or 3xx responses: 5\n")).is_err());
        assert!(Measured::read("").is_err());
        assert_eq!(microseconds("1.02s").unwrap(), 1_020_000);
        assert_eq!(microseconds("812.00us").unwrap(), 812);
    }
}
