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
mod table;
mod trades;

use std::process::{Command, ExitCode};
use std::time::Duration;

use clock::Stopwatch;
use pnl_core::engine::Records;
use pnl_core::{Engine, Method, Options, Outcome};
use swaps::Swaps;
use table::Table;
use trades::{Trade, Trades};

/// Events handed over at a time, as a reader of stored chunks does; a long history need not be in
/// memory as input.
const CHUNK: usize = 500;

/// Events after which records are handed out, where they are streamed: so few that they stay in a cache.
const STREAMED: usize = 10_000;

/// Names the part that a process runs.
const PART: &str = "ENGINE_BENCHMARK_PART";

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

fn main() -> ExitCode {
    // `cargo test --benches` runs benchmarks too; it passes no `--bench`.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let quick = std::env::args().any(|argument| argument == "quick");
    let longest = if quick { 1_000_000 } else { 10_000_000 };
    let mut table = Table::default();
    match std::env::var(PART).as_deref() {
        Ok("methods") => methods(&mut table),
        Ok("streamed") => streamed(&mut table, longest),
        Ok("records") => all_records(&mut table, longest),
        Ok("sizes") => sizes(&mut table, longest),
        Ok("open lots") => open_lots(&mut table),
        Ok("what-if") => comparisons(&mut table),
        _ => {
            return each_part(&["methods", "streamed", "records", "sizes", "open lots", "what-if"]);
        }
    }
    if table.broken > 0 {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs each part in a process of its own: the heap that one leaves behind would slow down the next.
fn each_part(parts: &[&str]) -> ExitCode {
    let program = std::env::current_exe().expect("the benchmark is a file");
    let keeps = |part: &str, pages: &str| {
        let mut run = Command::new(&program);
        run.args(std::env::args_os().skip(1)).env(PART, part).env("GLIBC_TUNABLES", pages);
        run.status().expect("the benchmark can run itself").success()
    };
    let broken: Vec<_> = parts.iter().filter(|part| !keeps(part, "")).collect();
    println!("once more, in large pages where the system has them to give");
    keeps("streamed", "glibc.malloc.hugetlb=1");
    if broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("limits broken: {broken:?}");
    ExitCode::FAILURE
}

/// Every method on the history of a large wallet, beside the bare loop.
fn methods(table: &mut Table) {
    println!("50,000 events, 50 assets; full records in memory of the run before");
    let trades = Trades::new(1).take(50_000, 50);
    let bare = fastest(40, trades.len(), || bare::run(&trades, 50));
    table.row("  bare loop", bare, "ns/event", None);
    let mut spent = Records::default();
    let rates =
        [(Method::Fifo, 8.0), (Method::Lifo, 8.0), (Method::Average, 8.0), (Method::Hifo, 3.0)];
    for (method, millions) in rates {
        let ns =
            fastest(40, trades.len(), || rerun(method, &trades, 50, &mut spent, Memory::Reused));
        table.rate(&format!("  {method}"), ns, millions);
        if method == Method::Fifo {
            table.at_most("  fifo, times the bare loop", ns / bare, "x", 8.0);
        }
    }
}

/// A long history whose records are handed out on the way, beside as many events of short ones.
fn streamed(table: &mut Table, events: usize) {
    println!("{events} events, 1,000 assets, by fifo; records are taken out on the way");
    let short = Trades::new(1).take(50_000, 50);
    let long = Trades::new(2).take(events, 1_000);
    let (mut spent, mut spent_streamed) = (Records::default(), Records::default());
    let (beside_it, streamed) = beside(
        short.len(),
        events,
        || rerun(Method::Fifo, &short, 50, &mut spent, Memory::Reused),
        || {
            let streamed = |spent| Memory::Streamed(spent, STREAMED);
            rerun(Method::Fifo, &long, 1_000, &mut spent_streamed, streamed)
        },
    );
    table.row("  streamed", streamed, "ns/event", None);
    table.row("  as many events of 50,000 at a time", beside_it, "ns/event", None);
    table.at_most("  times that", streamed / beside_it, "x", 1.5);
    let bare = fastest(3, events, || bare::run(&long, 1_000));
    table.row("  bare loop", bare, "ns/event", None);
    table.row("  streamed, times the bare loop", streamed / bare, "x", None);
}

/// The same with all records in memory, which is new in each run.
fn all_records(table: &mut Table, events: usize) {
    println!("{events} events, 1,000 assets, by fifo; all records in fresh memory");
    let short = Trades::new(1).take(50_000, 50);
    let long = Trades::new(2).take(events, 1_000);
    let before = resident();
    let (time, outcome) = run(Method::Fifo, &long, 1_000, Memory::Fresh);
    let bytes = resident().saturating_sub(before) as f64 / events as f64;
    println!("  {} disposals, {} open lots", outcome.disposals().len(), outcome.lot_count());
    drop(outcome);
    // As many events and as much memory: none of the outcomes is dropped before the last.
    let passes = events / short.len();
    let (times, _outcomes): (Vec<_>, Vec<_>) =
        (0..passes).map(|_| run(Method::Fifo, &short, 50, Memory::Fresh)).unzip();
    let ns = |time: Duration| time.as_nanos() as f64 / events as f64;
    let (all, beside_it) = (ns(time), ns(times.iter().sum()));
    table.row("  all records", all, "ns/event", None);
    table.row("  as many events of 50,000 at a time", beside_it, "ns/event", None);
    table.at_most("  times that", all / beside_it, "x", 1.5);
    table.at_most("  memory", bytes, "B/event", 300.0);
}

/// How the time of an event grows with the history.
fn sizes(table: &mut Table, longest: usize) {
    println!("by fifo, an asset per 1,000 events up to 1,000 assets");
    let mut spent = Records::default();
    for size in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= longest) {
        let trades = Trades::new(3).take(size, (size / 1_000).clamp(1, 1_000));
        let ns = fastest((2_000_000 / size).clamp(2, 100), size, || {
            rerun(Method::Fifo, &trades, 1_000, &mut spent, Memory::Reused)
        });
        table.row(&format!("  {size} events"), ns, "ns/event", None);
    }
}

/// What a sale costs among more and more open lots of the method that has to search.
fn open_lots(table: &mut Table) {
    println!("hifo: time per sale that takes a part of one lot, by open lots");
    let mut sale = |open| {
        let ns = trades::hifo_sales(open, 20_000);
        table.row(&format!("  {open} open lots"), ns, "ns/sale", None);
        ns
    };
    let [few, _, _, many] = [1_000, 10_000, 100_000, 1_000_000].map(&mut sale);
    // The logarithm is twice as large, and memory farther away; lot by lot it would be a thousand times.
    table.at_most("  times that of 1000", many / few, "x", 20.0);
}

/// Four methods at once.
fn comparisons(table: &mut Table) {
    println!(
        "what-if: sums by four methods from stored figures, swaps and transfers of 31 tokens with fees"
    );
    for (events, limit) in [(1_000, 5_000.0), (100_000, 1_500.0)] {
        let swaps = Swaps::new(events, 31);
        let ns = fastest((1_000_000 / events).min(100), events, || swaps.compare());
        table.at_most(&format!("  {events} events"), ns, "ns/event", limit);
    }
}
