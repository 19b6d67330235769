//! Stores an engine in the middle of a history, goes on from what was stored, and shows that nothing differs.
//!
//! `cargo run -p pnl_core --example continue < history.json` reads an accounting document.

use std::io::{self, Read, Write};

use pnl_core::Engine;
use pnl_core::document::Document;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let history = Document::read(&input)?;
    let (first, second) = history.events.split_at(history.events.len() / 2);

    let mut engine = Engine::new(history.method, history.options.clone())?;
    first.iter().try_for_each(|event| engine.apply(event))?;
    // What happened so far goes wherever it is kept; the state is what later events can touch.
    let records = engine.take_records();
    let state = engine.state()?;

    let mut resumed = Engine::resume(&state)?;
    second.iter().try_for_each(|event| resumed.apply(event))?;
    let end = resumed.finish(None)?;
    let whole = history.run()?;
    writeln!(
        io::stdout(),
        "{} disposals, a state of {} bytes, {} disposals more; realized gain {} USD, in one go {} USD",
        records.disposal_count(),
        state.len(),
        end.records().disposal_count(),
        end.totals.realized_gain,
        whole.totals.realized_gain,
    )?;
    Ok(())
}
