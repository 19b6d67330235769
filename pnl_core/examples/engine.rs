//! Reads an accounting document from stdin and writes its answer to stdout.
//!
//! `cargo run -p pnl_core --example engine < history.json`

use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let mut output = io::stdout().lock();
    output.write_all(pnl_core::document::answer(&input).as_bytes())?;
    output.write_all(b"\n")
}
