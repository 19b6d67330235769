//! `explain`: why a disposal has its gain, as a tree down to transactions and prices. Reads the
//! database; asks no chain endpoint.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use job_orchestrator::sources::ledger_rules;
use job_orchestrator::wallets::{
    AllWallets, Asked, DisposalFilter, DisposalId, ExplainedMatch, Explanation, View, Wallets,
};
use pnl_core::ledger::LedgerEvent;
use pnl_core::time::rfc3339;
use pnl_core::{Address, RawAmount, Usd, WalletRef};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{WrongUsage, configure_quietly};
use crate::cli::{ExplainArgs, ExplainFormat};
use crate::database::Database;
use crate::dto::batch::unknown_method;

/// Lots of a disposal in the tree; the others are summed.
const MOST_LOTS: usize = 1000;

/// Disposals listed when none is named.
const LISTED: usize = 50;

/// Exit code 0 when there was something to explain, 1 when the wallet or the disposal is not known.
pub async fn run(args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let settings = configure_quietly(&args.config)?;
    let usage = |text: String| anyhow::Error::new(WrongUsage(text));
    if !args.method.is_offered() {
        return Err(usage(unknown_method(args.method.as_str())));
    }
    let address = Address::parse(args.chain, &args.wallet)
        .map_err(|error| usage(format!("{}: {error}", crate::json::shown(&args.wallet))))?;
    let id = args.disposal.as_deref().map(str::parse::<DisposalId>).transpose();
    let id = id.map_err(|error| usage(error.to_string()))?;
    let database = Database::open_for_a_look(&settings).await?;
    let wallets = AllWallets::new(database.store.clone(), ledger_rules(&settings));
    let wallets = wallets.of(args.tenant.clone());
    let wallet = WalletRef { chain: args.chain, address };
    let told = match &id {
        Some(id) => one(&wallets, &wallet, &args, id).await,
        None => list(&wallets, &wallet, &args).await,
    };
    database.close().await;
    match told? {
        Some(text) => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let what = if id.is_some() { "disposal of this wallet" } else { "such wallet" };
            let _ = writeln!(io::stderr(), "error: no {what} is stored; analyze it first");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn one(
    wallets: &Wallets,
    wallet: &WalletRef,
    args: &ExplainArgs,
    id: &DisposalId,
) -> anyhow::Result<Option<String>> {
    let asked = Asked { id, after: None, limit: MOST_LOTS };
    let explained = wallets.explain(wallet, View::by(args.method), asked).await?;
    let Some(explanation) = explained.flatten() else { return Ok(None) };
    Ok(Some(match args.format {
        ExplainFormat::Json => serde_json::to_string_pretty(&explanation)? + "\n",
        ExplainFormat::Tree => tree(&explanation)?,
    }))
}

/// The newest-listed way in: the first disposals with their ids.
async fn list(
    wallets: &Wallets,
    wallet: &WalletRef,
    args: &ExplainArgs,
) -> anyhow::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Row {
        id: String,
        asset: String,
        ts: i64,
        gain: Option<String>,
    }
    let filter = DisposalFilter { view: View::by(args.method), asset: None };
    let Some(page) = wallets.disposals(wallet, &filter, None, LISTED).await? else {
        return Ok(None);
    };
    if args.format == ExplainFormat::Json {
        return Ok(Some(serde_json::to_string_pretty(&page.rows)? + "\n"));
    }
    let mut text = String::new();
    for row in &page.rows {
        let row: Row = serde_json::from_str(row.get())?;
        let gain = row.gain.as_deref().unwrap_or("unknown");
        writeln!(text, "{}  {}  gain {gain} USD  {}", rfc3339(row.ts), row.id, row.asset)?;
    }
    if page.next.is_some() {
        writeln!(text, "… the first {LISTED}; GET /api/v2/wallets/{{wallet}}/disposals has all")?;
    }
    Ok(Some(text))
}

/// The tree of one disposal.
fn tree(explanation: &Explanation) -> anyhow::Result<String> {
    let Explanation { result, token, disposal, other_matches, decimals, asset, .. } = explanation;
    let units = |quantity: RawAmount| in_units(quantity, *decimals);
    let mut text = String::new();
    writeln!(
        text,
        "{} on {}, {}, up to block {} ({})",
        explanation.wallet,
        explanation.chain,
        explanation.method,
        explanation.pin.block,
        rfc3339(explanation.pin.block_time)
    )?;
    writeln!(text, "realized gain {} USD", result.realized_gain_usd)?;
    writeln!(text, "├─ {} other tokens: {}", result.others, result.others_usd)?;
    writeln!(text, "├─ left over: {}", result.left_over_usd)?;
    writeln!(text, "└─ {asset}: {}", result.here_usd)?;
    writeln!(text, "   ├─ {} other disposals: {}", token.others, token.others_usd)?;
    writeln!(text, "   ├─ left over: {}", token.left_over_usd)?;
    writeln!(text, "   └─ {}: {}", explanation.id, known(disposal.gain))?;
    let indent = "      ";
    writeln!(text, "{indent}├─ {} left at {}", units(disposal.qty), rfc3339(disposal.ts))?;
    for line in provenance(disposal.ledger.as_deref())? {
        writeln!(text, "{indent}│  {line}")?;
    }
    writeln!(
        text,
        "{indent}├─ proceeds {} = value {} - attached fees {}",
        known(disposal.proceeds),
        known(disposal.value),
        known(disposal.attached_fees)
    )?;
    for (name, quantity, proceeds) in [
        ("unknown basis", disposal.unknown_qty, disposal.unknown_proceeds),
        ("beyond any lot", disposal.unmatched_qty, disposal.unmatched_proceeds),
    ] {
        if !quantity.is_zero() {
            writeln!(text, "{indent}├─ {} of {name}: proceeds {proceeds}", units(quantity))?;
        }
    }
    if !disposal.uncovered_gain.is_zero() {
        writeln!(text, "{indent}├─ gain on what no lot covers: {}", disposal.uncovered_gain)?;
    }
    if !disposal.rounding_remainder.is_zero() {
        let remainder = disposal.rounding_remainder;
        writeln!(text, "{indent}├─ rounding remainder inside of the shares: {remainder}")?;
    }
    for piece in &explanation.matches {
        lot(&mut text, indent, piece, units)?;
    }
    if other_matches.count > 0 {
        let (count, gain) = (other_matches.count, other_matches.gain);
        writeln!(text, "{indent}├─ {count} more lots: gain {gain}")?;
    }
    writeln!(text, "{indent}└─ left over: {}", disposal.left_over)?;
    Ok(text)
}

fn lot(
    text: &mut String,
    indent: &str,
    piece: &ExplainedMatch,
    units: impl Fn(RawAmount) -> String,
) -> anyhow::Result<()> {
    writeln!(
        text,
        "{indent}├─ {} of lot {}: {} - {} = {}",
        units(piece.qty),
        piece.lot,
        known(piece.proceeds),
        known(piece.basis),
        known(piece.gain)
    )?;
    let (since, held) = (rfc3339(piece.acquired_ts), piece.hold_s);
    writeln!(text, "{indent}│  acquired {since}, held {held} s")?;
    if let Some(remainder) = piece.rounding_remainder.filter(|remainder| !remainder.is_zero()) {
        let cost = known(piece.lot_basis);
        writeln!(text, "{indent}│  of the lot's cost {cost}; rounding remainder {remainder}")?;
    }
    for line in provenance(piece.ledger.as_deref())? {
        writeln!(text, "{indent}│  {line}")?;
    }
    Ok(())
}

/// The transaction behind an event, and the legs with the source and time of each price.
fn provenance(row: Option<&RawValue>) -> anyhow::Result<Vec<String>> {
    let Some(row) = row else { return Ok(vec!["its event is not in the ledger".to_owned()]) };
    let event: LedgerEvent = serde_json::from_str(row.get())?;
    let mut lines = vec![format!("transaction {} in block {}", event.tx_id, event.block)];
    for leg in &event.legs {
        let sign = if leg.raw.is_negative() { "-" } else { "+" };
        let units = in_units(leg.raw.magnitude(), leg.decimals);
        let value = match (leg.value, &leg.price_source, leg.price_time) {
            (Some(value), Some(source), Some(time)) => {
                format!("{value} USD by {source} of {}", rfc3339(time))
            }
            (Some(value), ..) => format!("{value} USD"),
            (None, ..) => "no price".to_owned(),
        };
        lines.push(format!("{sign}{units} {} ({}): {value}", leg.asset, side(leg)));
    }
    Ok(lines)
}

fn side(leg: &pnl_core::ledger::LedgerLeg) -> &'static str {
    use pnl_core::ledger::LegSide;
    match leg.side {
        LegSide::Out => "out",
        LegSide::In => "in",
        LegSide::Fee => "fee",
        LegSide::Rent => "rent",
    }
}

fn known(figure: Option<Usd>) -> String {
    figure.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string())
}

/// Base units as whole units, exactly; as they are when the decimals are not known.
fn in_units(quantity: RawAmount, decimals: Option<u8>) -> String {
    let digits = quantity.to_string();
    let Some(decimals) = decimals.map(usize::from) else {
        return format!("{digits} base units");
    };
    let padded = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, part) = padded.split_at(padded.len() - decimals);
    let part = part.trim_end_matches('0');
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_units_are_shown_as_whole_units_exactly() {
        for (raw, decimals, shown) in [
            (0, Some(9), "0"),
            (1, Some(9), "0.000000001"),
            (1_500_000_000, Some(9), "1.5"),
            (7, Some(0), "7"),
            (70, Some(1), "7"),
            (7, None, "7 base units"),
        ] {
            assert_eq!(in_units(RawAmount::from(raw as u64), decimals), shown);
        }
    }
}
