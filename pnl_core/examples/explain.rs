//! Defends each number of a result: every disposal with its lots, what each lot cost, what rounding left to its
//! pieces, and what the gain can be where a basis is not known.
//!
//! `cargo run -p pnl_core --example explain -- 250 < history.json` reads an accounting document; no unit of any
//! asset is taken to have cost more than 250 USD.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use pnl_core::bounds::{self, Knowledge};
use pnl_core::document::Document;
use pnl_core::event::Event;
use pnl_core::explain::{MadeLot, explain};
use pnl_core::{AssetId, Method, Usd, UsdPrice, Window};

/// A highest price that the reader believes in, of assets of so many decimals; the history is the whole one.
struct Ceiling {
    price: UsdPrice,
    decimals: BTreeMap<AssetId, u8>,
}

impl Knowledge for Ceiling {
    fn highest(&self, asset: &AssetId, _until: i64) -> Option<(UsdPrice, u8)> {
        Some((self.price, *self.decimals.get(asset)?))
    }

    fn is_whole(&self, _asset: &AssetId) -> bool {
        true
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let price =
        std::env::args().nth(1).ok_or("no price: the highest that any unit has cost, USD")?;
    let price: UsdPrice = price.parse()?;
    let mut input = String::new();
    io::stdin().read_to_string(&mut input)?;
    let history = Document::read(&input)?;
    let outcome = history.run()?;
    let events: BTreeMap<&str, &Event> =
        history.events.iter().map(|event| (&*event.id, event)).collect();
    let mut out = io::stdout().lock();

    let tree = explain(&outcome)?;
    writeln!(out, "realized {} USD, left over {}", tree.realized_gain, tree.left_over)?;
    for (asset, token) in &tree.tokens {
        writeln!(out, "{asset}: {} USD, left over {}", token.realized_gain, token.left_over)?;
        for explained in &token.disposals {
            write!(out, "{explained}")?;
            // By average cost lots have no cost of their own.
            for piece in
                explained.disposal.matches.iter().filter(|_| history.method != Method::Average)
            {
                let Some(event) = events.get(piece.lot) else { continue };
                let made = MadeLot::of(event, asset, &history.options)?;
                let Some((made, basis)) = made.zip(piece.basis) else { continue };
                let rest = made.remainder(piece.quantity, basis)?;
                writeln!(out, "    lot {} cost {}; rounding left {rest}", piece.lot, made.cost)?;
            }
            writeln!(out, "    left over {}", explained.left_over)?;
        }
    }

    let lots = outcome.lots().map(|lot| (lot.asset.clone(), lot.decimals));
    let sold = outcome.disposals().map(|disposal| (disposal.asset.clone(), 0));
    // What is held tells the decimals; what is not, is taken for an asset without.
    let knowledge = Ceiling { price, decimals: sold.chain(lots).collect() };
    let bounds = bounds::of(&outcome, &Window::ALL, &knowledge)?;
    let text = |bound: Option<Usd>| bound.map_or("unknown".to_owned(), |usd| usd.to_string());
    writeln!(out, "at least {}, at most {}", text(bounds.min), text(bounds.max))?;
    Ok(())
}
