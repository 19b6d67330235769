//! Times the engine on an accounting document: `engine_speed [runs] < history.json`.
//!
//! Prints the fastest and the median run over the document's events, records and totals included,
//! reading the document excluded. Figures and the command stand in docs/measurements.md.

use std::io::{self, Read, Write};
use std::time::Instant;

use pnl_core::document::Document;
use pnl_core::{Window, metrics::Metrics};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runs = std::env::args().nth(1).map_or(Ok(50), |text| text.parse::<usize>())?.max(1);
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let started = Instant::now();
    let document = Document::read(&input)?;
    let read = started.elapsed();

    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs {
        let started = Instant::now();
        let outcome = document.run()?;
        times.push(started.elapsed());
        drop(outcome);
    }
    times.sort_unstable();
    let outcome = document.run()?;
    let started = Instant::now();
    Metrics::of(&outcome, &Window::ALL)?;
    let metrics = started.elapsed();
    let matches: usize = outcome.disposals().map(|disposal| disposal.matches.len()).sum();
    writeln!(
        io::stdout(),
        "{} events, {} disposals, {matches} matches: fastest {:?}, median {:?} of {runs} runs; \
         reading {read:?}, metrics {metrics:?}; realized gain {}",
        document.events.len(),
        outcome.disposals().len(),
        times[0],
        times[runs / 2],
        outcome.totals.realized_gain,
    )?;
    Ok(())
}
