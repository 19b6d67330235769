//! Gains of one year by token and holding time, and what another method would have given.
//!
//! `cargo run -p pnl_core --example tax_year -- 2024 < history.json` reads an accounting document.

use std::io::{self, Read, Write};

use pnl_core::document::Document;
use pnl_core::metrics::{Boundary, HoldingTerms, TokenMetrics};
use pnl_core::what_if::METHODS;
use pnl_core::{Engine, Period, Window};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let year: i64 = std::env::args().nth(1).map_or(Ok(1970), |text| text.parse())?;
    let window = Window { from: Some(new_year(year)), to: Some(new_year(year + 1)) };
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let history = Document::read(&input)?;
    let mut out = io::stdout().lock();

    let outcome = history.run()?;
    let terms = HoldingTerms::of(&outcome, &window, Boundary::default())?;
    writeln!(out, "{year} by {}:", history.method)?;
    writeln!(out, "  short term {} USD in {} pieces", terms.short.gain, terms.short.pieces)?;
    writeln!(out, "  long term  {} USD in {} pieces", terms.long.gain, terms.long.pieces)?;
    for token in TokenMetrics::of(&outcome, &window)? {
        writeln!(out, "  {}: {} USD in {} trades", token.asset, token.realized_pnl, token.trades)?;
    }

    // The same events by every method.
    for method in METHODS {
        let mut engine = Engine::new(method, history.options.clone())?;
        for event in &history.events {
            engine.apply(event)?;
        }
        let flows = engine.finish(None)?.window(&window)?.flows;
        writeln!(out, "{method:>8}: realized {} USD", flows.realized_gain)?;
    }
    Ok(())
}

/// The first second of a year: month by month from 1970 on.
fn new_year(year: i64) -> i64 {
    (0..(year - 1970) * 12).fold(0, |month, _| Period::Month.end(month))
}
