//! Following jobs without being a load.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::memory::elapsed;
use crate::service::{Client, Job, JobStatus};

/// Pause between two looks at a large job: a look counts its wallets.
const PAUSE: Duration = Duration::from_millis(200);

/// A job that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its last status.
    pub status: JobStatus,
    /// From the answer to its submission to its end, as a client sees it.
    pub milliseconds: u64,
}

/// Submits wallets; also how long the answer took.
///
/// # Errors
/// When they are not accepted.
pub async fn submit(client: &Client, wallets: &[String]) -> anyhow::Result<(Job, u64)> {
    let begun = Instant::now();
    let job = client.submit(wallets).await?;
    Ok((job, elapsed(begun)))
}

/// Waits for the end of a job.
///
/// # Errors
/// When it does not end within `patience`.
pub async fn follow(client: &Client, job: &Job, patience: Duration) -> anyhow::Result<Ended> {
    let begun = Instant::now();
    loop {
        let status = client.job_status(&job.job_id).await?;
        if status.done {
            return Ok(Ended { status, milliseconds: elapsed(begun) });
        }
        if begun.elapsed() >= patience {
            bail!("the job does not end: {:?}", status.counts);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Submits wallets and waits until all have a result.
///
/// # Errors
/// When one has none, or it takes longer than `patience`.
pub async fn complete(
    client: &Client,
    wallets: &[String],
    patience: Duration,
) -> anyhow::Result<(Job, Ended)> {
    let (job, _) = submit(client, wallets).await?;
    let ended = follow(client, &job, patience).await?;
    ensure!(ended.status.status == "completed", "the job ended as {:?}", ended.status);
    Ok((job, ended))
}

/// What reading a list brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Read {
    /// Bytes of all bodies.
    pub bytes: u64,
    /// Entries of all pages.
    pub rows: u64,
    /// Pages.
    pub pages: u64,
    /// Time of all of it.
    pub milliseconds: u64,
}

/// Reads a list page by page to its end.
///
/// # Errors
/// When a page does not come.
pub async fn read_pages(client: &Client, path: &str, limit: u32) -> anyhow::Result<Read> {
    #[derive(Deserialize)]
    struct Page {
        data: Vec<serde::de::IgnoredAny>,
        next_cursor: Option<String>,
    }
    let begun = Instant::now();
    let divider = if path.contains('?') { '&' } else { '?' };
    let mut read = Read::default();
    let mut cursor = String::new();
    loop {
        let answer =
            client.get(&format!("{path}{divider}limit={limit}{cursor}")).await?.expect(200)?;
        let page: Page = answer.json()?;
        read.bytes += answer.body.len() as u64;
        read.rows += page.data.len() as u64;
        read.pages += 1;
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    read.milliseconds = elapsed(begun);
    Ok(read)
}

/// Reads one answer to its end, counting.
///
/// # Errors
/// When it is not 200 or breaks off.
pub async fn read_stream(client: &Client, path: &str) -> anyhow::Result<Read> {
    let begun = Instant::now();
    let (bytes, lines) = client.count(path).await?;
    Ok(Read { bytes, rows: lines, pages: 1, milliseconds: elapsed(begun) })
}

/// The whole numbers that a metric has by the value of one of its labels, in milliseconds when the
/// metric counts seconds.
///
/// # Errors
/// When the metrics do not come.
pub async fn milliseconds_by_label(
    admin: &Client,
    metric: &str,
    label: &str,
) -> anyhow::Result<Vec<(String, u64)>> {
    let text = admin.get("/metrics").await?.expect(200)?.text();
    let mut values = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(metric).and_then(|rest| rest.strip_prefix('{')) else {
            continue;
        };
        let Some((labels, value)) = rest.split_once("} ") else { continue };
        let name = labels
            .split(',')
            .find_map(|pair| pair.strip_prefix(label)?.strip_prefix("=\"")?.strip_suffix('"'));
        let seconds: Duration = Duration::try_from_secs_f64(value.trim().parse()?)
            .with_context(|| format!("{metric} is {value}"))?;
        let milliseconds = u64::try_from(seconds.as_millis())?;
        values.push((name.unwrap_or_default().to_owned(), milliseconds));
    }
    Ok(values)
}

/// A member of the only row of a job's results.
///
/// # Errors
/// When the row does not come.
pub async fn only_row(client: &Client, job: &Job) -> anyhow::Result<Value> {
    let path = format!("/api/pnl/batch/results/{}", job.job_id);
    let mut page = client.get_json(&path).await?;
    let rows = page["data"].as_array_mut().context("the page has no rows")?;
    ensure!(rows.len() == 1, "{} rows instead of one", rows.len());
    Ok(rows.remove(0))
}
