//! How fast the engine is, beside a bare loop over the same trades.
//!
//! `cargo bench -p pnl_core [-- quick]` prints one table. Each figure stands beside the limit it has to
//! keep; a limit that is not kept is marked, and the exit code is 1. Ratios matter more than
//! values: machines differ. Times are processor time of the one thread, page faults included. What the bare
//! loop leaves out: exact splits, records, totals, checks, names, options.
#![allow(clippy::print_stdout, clippy::float_arithmetic, reason = "a benchmark prints times")]
#![allow(clippy::expect_used, reason = "a failure ends the benchmark")]

mod bare;
mod clock;
mod swaps;
mod trades;

use std::process::ExitCode;
use std::time::Duration;

use clock::Stopwatch;
use pnl_core::engine::Records;
use pnl_core::{Engine, Method, Options, Outcome};
use swaps::Swaps;
use trades::{Trade, Trades};

/// Events handed over at a time, as a reader of stored chunks does; a long history need not be in
/// memory as input.
const CHUNK: usize = 500;

/// Events after which records are handed out, where they are streamed: so few that they stay in a cache.
const STREAMED: usize = 10_000;

/// Where the engine keeps its records.
enum Memory {
    /// In memory that the system hands out anew.
    Fresh,
    /// In that of other records.
    Reused(Records),
    /// The same; records are taken out and dropped after so many events.
    Streamed(Records, usize),
}

/// Applies `trades` and closes the books; the making of events is not timed.
fn run(method: Method, trades: &[Trade], assets: usize, memory: Memory) -> (Duration, Outcome) {
    let mut engine = Engine::new(method, Options::default()).expect("every method is offered");
    let mut streamed = usize::MAX;
    match memory {
        Memory::Fresh => engine.reserve(trades.len()),
        Memory::Reused(spent) => engine.reuse(spent),
        Memory::Streamed(spent, every) => {
            engine.reuse(spent);
            streamed = every;
        }
    }
    let names = trades::assets(assets);
    let mut spent = Duration::ZERO;
    let mut since_taken = 0;
    for (number, chunk) in trades.chunks(CHUNK).enumerate() {
        let events = trades::events(chunk, number * CHUNK, &names);
        let started = Stopwatch::start();
        engine.apply_all(&events).expect("the trades are sound");
        since_taken += chunk.len();
        if since_taken >= streamed {
            since_taken = 0;
            let records = engine.take_records();
            engine.reuse(records);
        }
        spent += started.elapsed();
    }
    let started = Stopwatch::start();
    let outcome = engine.finish(None).expect("the books balance");
    spent += started.elapsed();
    (spent, outcome)
}

/// How long a run takes in the memory of the one before, which is left here again.
fn rerun(
    method: Method,
    trades: &[Trade],
    assets: usize,
    spent: &mut Records,
    memory: impl FnOnce(Records) -> Memory,
) -> Duration {
    let (time, outcome) = run(method, trades, assets, memory(std::mem::take(spent)));
    *spent = outcome.into_records();
    time
}

/// The fastest of several runs, in nanoseconds per event.
fn fastest(runs: usize, events: usize, mut run: impl FnMut() -> Duration) -> f64 {
    let fastest = (0..runs).map(|_| run()).min().unwrap_or_default();
    fastest.as_nanos() as f64 / events as f64
}

/// The fastest of three rounds, in nanoseconds per event, of a short history as often as makes the events of a long
/// one, and of that, in turn: what disturbs one round disturbs both histories alike.
fn beside(
    short: usize,
    long: usize,
    mut run_short: impl FnMut() -> Duration,
    mut run_long: impl FnMut() -> Duration,
) -> (f64, f64) {
    let (mut fastest_short, mut fastest_long) = (f64::MAX, f64::MAX);
    let passes = long.div_ceil(short);
    for _ in 0..3 {
        let time = (0..passes).map(|_| run_short()).sum::<Duration>();
        fastest_short = fastest_short.min(time.as_nanos() as f64 / (passes * short) as f64);
        fastest_long = fastest_long.min(run_long().as_nanos() as f64 / long as f64);
    }
    (fastest_short, fastest_long)
}

/// Memory of this process that is in use, in bytes; zero where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or(0) * 1024
}

/// Prints rows and remembers whether a limit was broken.
#[derive(Default)]
struct Table {
    broken: usize,
}

impl Table {
    fn row(&mut self, what: &str, figure: f64, unit: &str, limit: Option<(&str, bool)>) {
        let verdict = match limit {
            None => String::new(),
            Some((limit, true)) => format!("{limit}: kept"),
            Some((limit, false)) => {
                self.broken += 1;
                format!("{limit}: BROKEN")
            }
        };
        println!("{what:<52} {figure:>9.2} {unit:<10} {verdict}");
    }

    /// A time per event, as events per second, at least `millions`.
    fn rate(&mut self, what: &str, ns: f64, millions: f64) {
        let rate = 1000.0 / ns;
        self.row(what, ns, "ns/event", None);
        self.row("", rate, "M events/s", Some((&format!("at least {millions}"), rate >= millions)));
    }

    fn at_most(&mut self, what: &str, figure: f64, unit: &str, limit: f64) {
        self.row(what, figure, unit, Some((&format!("at most {limit}"), figure <= limit)));
    }
}

fn main() -> ExitCode {
    // `cargo test --benches` runs benchmarks too; it passes no `--bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let quick = std::env::args().any(|argument| argument == "quick");
    let mut table = Table::default();

    println!("50,000 events, 50 assets; full records in memory of the run before");
    let trades = Trades::new(1).take(50_000, 50);
    let mut spent = Records::default();
    let bare = fastest(40, trades.len(), || bare::run(&trades, 50));
    table.row("  bare loop", bare, "ns/event", None);
    let mut fifo = 0.0;
    for (method, millions) in
        [(Method::Fifo, 8.0), (Method::Lifo, 8.0), (Method::Average, 8.0), (Method::Hifo, 3.0)]
    {
        let ns =
            fastest(40, trades.len(), || rerun(method, &trades, 50, &mut spent, Memory::Reused));
        table.rate(&format!("  {method}"), ns, millions);
        if method == Method::Fifo {
            fifo = ns;
        }
    }
    table.at_most("  fifo, times the bare loop", fifo / bare, "x", 8.0);
    let fresh = fastest(40, trades.len(), || run(Method::Fifo, &trades, 50, Memory::Fresh).0);
    table.row("  fifo in fresh memory", fresh, "ns/event", None);

    println!("scaling: fifo, an asset per 1,000 events up to 1,000 assets");
    let largest = if quick { 1_000_000 } else { 10_000_000 };
    let short = trades;
    let mut trades = Trades::new(2).take(largest, 1_000);
    let bare_long = fastest(3, trades.len(), || bare::run(&trades, 1_000));
    table.row(&format!("  bare loop, {largest} events"), bare_long, "ns/event", None);
    table.row("  bare loop, times its time for 50,000", bare_long / bare, "x", None);
    let mut spent_streamed = Records::default();
    let (beside_it, streamed) = beside(
        short.len(),
        largest,
        || rerun(Method::Fifo, &short, 50, &mut spent, Memory::Reused),
        || {
            let streamed = |spent| Memory::Streamed(spent, STREAMED);
            rerun(Method::Fifo, &trades, 1_000, &mut spent_streamed, streamed)
        },
    );
    drop(spent_streamed);
    table.row(&format!("  fifo, {largest} events, streamed"), streamed, "ns/event", None);
    table.row("  fifo, times the bare loop", streamed / bare_long, "x", None);
    table.row("  fifo, as many events of 50,000 at a time", beside_it, "ns/event", None);
    table.at_most("  times that", streamed / beside_it, "x", 1.5);
    table.row("  times the fastest 50,000", streamed / fifo, "x", None);
    drop(std::mem::take(&mut spent));
    let before = resident();
    let (time, outcome) = run(Method::Fifo, &trades, 1_000, Memory::Fresh);
    let bytes = resident().saturating_sub(before) as f64 / largest as f64;
    let long = time.as_nanos() as f64 / largest as f64;
    println!("  {} disposals, {} open lots", outcome.disposals().len(), outcome.lot_count());
    drop(outcome);
    table.row("  fifo with all records in fresh memory", long, "ns/event", None);
    table.at_most("  times that of 50,000 in fresh memory", long / fresh, "x", 1.5);
    table.row("  times that of 50,000 in memory of the run before", long / fifo, "x", None);
    table.at_most("  memory with all records", bytes, "B/event", 300.0);
    for events in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size < largest) {
        trades = Trades::new(3).take(events, (events / 1_000).clamp(1, 1_000));
        let runs = (2_000_000 / events).clamp(2, 100);
        let ns = fastest(runs, events, || {
            rerun(Method::Fifo, &trades, 1_000, &mut spent, Memory::Reused)
        });
        table.row(&format!("  fifo, {events} events"), ns, "ns/event", None);
    }

    println!("hifo: time per sale that takes a part of one lot, by open lots");
    let sale = |open| trades::hifo_sales(open, 20_000);
    let few = sale(1_000);
    table.row("  1000 open lots", few, "ns/sale", None);
    for open in [10_000, 100_000] {
        table.row(&format!("  {open} open lots"), sale(open), "ns/sale", None);
    }
    let many = sale(1_000_000);
    table.row("  1000000 open lots", many, "ns/sale", None);
    // The logarithm is twice as large, and memory farther away; lot by lot it would be a thousand times.
    table.at_most("  times that of 1000", many / few, "x", 20.0);
    println!(
        "what-if: sums by four methods from stored figures, swaps and transfers of 31 tokens with fees"
    );
    for (events, limit) in [(1_000, 5_000.0), (100_000, 1_500.0)] {
        let swaps = Swaps::new(events, 31);
        let ns = fastest((1_000_000 / events).min(100), events, || swaps.compare());
        table.at_most(&format!("  {events} events"), ns, "ns/event", limit);
    }
    if table.broken > 0 {
        println!("{} limits broken", table.broken);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
