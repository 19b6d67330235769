//! What the whole program takes for wallets that never did anything, as many a second as possible.
//! What the queue alone costs, `job_orchestrator/benches/queue_overhead.rs` measures.
//!
//! Each takes a claim, four calls to the chain, a stored snapshot and list, a result and the end of
//! the task, and nothing to parse or to compute.

use std::time::{Duration, Instant};

use axum::body::Body;
use clap::Args;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::figures::{self, Figures};
use super::jobs;
use super::memory::elapsed;
use super::processor::Processor;
use super::site::{Site, SiteOptions};
use crate::synthetic::unused_address;
use crate::{RecordedNode, SyntheticPlan};

/// Calls to the chain that one such wallet takes.
const CALLS_PER_WALLET: u64 = 4;
/// Connections and time with which the node alone is asked.
const NODE_CONNECTIONS: usize = 8;
const NODE_TIME: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(600);
/// Wallets before the clock starts: connections open, caches fill.
const WARM_UP: u32 = 500;

/// Wallets per second without work in them.
#[derive(Debug, Args)]
pub struct Overhead {
    #[command(flatten)]
    site: SiteOptions,
    /// Wallets of each run
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    wallets: u32,
    /// Least wallets a second at 5 permits
    #[arg(long, default_value_t = 200)]
    at_5: u64,
    /// Least wallets a second at 50 permits
    #[arg(long, default_value_t = 400)]
    at_50: u64,
}

impl Overhead {
    /// Measures.
    ///
    /// # Errors
    /// When a limit was missed or the run broke.
    pub async fn run(&self) -> anyhow::Result<()> {
        let mut figures = Figures::default();
        let plan = SyntheticPlan { transactions_each: 1, ..SyntheticPlan::default() };
        let site = Site::start(&self.site, plan).await?;
        figures.title("The whole program: wallets with empty histories");
        let alone = node_alone(&site.node).await?;
        // The node shares the machine with everything else later.
        figures.at_least(
            "the node alone, calls a second",
            alone,
            self.at_50 * CALLS_PER_WALLET,
            "/s",
        );
        for (permits, limit) in [(5, self.at_5), (50, self.at_50)] {
            self.measure(&site, permits, limit, &mut figures).await?;
        }
        figures.conclude()
    }

    async fn measure(
        &self,
        site: &Site,
        permits: u32,
        limit: u64,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let settings = site
            .settings(&format!("overhead_{permits}"))
            .await?
            .with("PNL_WORKER__WALLET_PERMITS", permits);
        let service = site.serve(&settings).await?;
        let client = service.client();
        let wallets = |from: u32, count: u32| -> Vec<String> {
            (from..from + count).map(|number| unused_address(1, number.into())).collect()
        };
        jobs::complete(&client, &wallets(0, WARM_UP), PATIENCE).await?;
        site.node.reset();
        let processor = Processor::of(service.pid());
        let (_, ended) = jobs::complete(&client, &wallets(WARM_UP, self.wallets), PATIENCE).await?;
        let spent = processor.spent().as_micros() / u128::from(self.wallets);
        let calls: u64 = site.node.stats().calls.values().sum();
        let count = u64::from(self.wallets);
        let rate = figures::per_second(count, ended.milliseconds);
        figures.at_least(&format!("{permits} permits, wallets a second"), rate, limit, "/s");
        figures
            .note(&format!("{permits} permits, time of all"), figures::seconds(ended.milliseconds));
        figures.note(
            &format!("{permits} permits, processor time a wallet"),
            format_args!("{spent} µs of the service alone"),
        );
        figures.note(
            &format!("{permits} permits, calls"),
            format_args!("{calls} for {count} wallets"),
        );
        service.stop(Duration::from_secs(60)).await
    }
}

/// Calls a second that the node answers when nobody else is at work.
async fn node_alone(node: &RecordedNode) -> anyhow::Result<u64> {
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    for number in 0..NODE_CONNECTIONS {
        clients.spawn(ask_node(node.address().to_string(), number as u64, begun));
    }
    let mut calls = 0;
    while let Some(asked) = clients.join_next().await {
        calls += asked??;
    }
    Ok(figures::per_second(calls, elapsed(begun)))
}

async fn ask_node(host: String, number: u64, begun: Instant) -> anyhow::Result<u64> {
    let stream = TcpStream::connect(&host).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut calls = 0;
    while begun.elapsed() < NODE_TIME {
        let params = json!([unused_address(number, calls), {"limit": 1000}]);
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "getSignaturesForAddress",
            "params": params});
        let request = Request::post("/solana")
            .header(HOST, &host)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(call.to_string()))?;
        let answer = sender.send_request(request).await?;
        axum::body::to_bytes(Body::new(answer.into_body()), 1 << 20).await?;
        calls += 1;
    }
    connection.abort();
    Ok(calls)
}
