//! Results as CSV (RFC 4180: CRLF, quotes where needed, UTF-8).
//!
//! The columns are fixed, so that files of different jobs can be put together. Cells that a
//! spreadsheet would run as a formula are made harmless.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use csv::{Terminator, WriterBuilder};
use persistence_layer::results::ResultRow;
use pnl_core::Chain;
use serde_json::value::RawValue;

use crate::dto::result::wallet_status;
use crate::export::{Cell, Column, ExportError, Kind};

/// The columns before the result.
const HEAD: &[&str] = &["wallet", "chain", "status", "error_code"];

/// The scalar members of `result`, in its order.
pub const SCALARS: &[&str] = &[
    "method",
    "realized_gain_usd",
    "income_usd",
    "fee_expense_usd",
    "net_realized_usd",
    "unrealized_gain_usd",
    "total_pnl_usd",
    "fees_usd",
    "unknown_proceeds_usd",
    "unmatched_proceeds_usd",
    "trades",
    "transactions",
    "engine_version",
    "parser_version",
    "price_set_hash",
    "input_hash",
];

/// The members of `result.metrics`, in its order.
pub const METRICS: &[&str] = &[
    "realized_pnl",
    "fee_leg_gain",
    "trades",
    "winning_trades",
    "losing_trades",
    "trade_win_rate",
    "closed_tokens",
    "token_win_rate",
    "profit_factor",
    "roi_pct",
    "avg_roi_pct",
    "median_roi_pct",
    "expectancy_pct",
    "skill_pnl_ratio",
    "avg_hold_s",
    "median_hold_s",
    "max_drawdown_usd",
    "win_streak",
    "loss_streak",
    "volume_usd",
    "active_days",
    "unique_tokens",
];

/// Those of them that are counts; all others are text, exact.
const COUNTS: &[&str] = &[
    "trades",
    "transactions",
    "winning_trades",
    "losing_trades",
    "closed_tokens",
    "win_streak",
    "loss_streak",
    "active_days",
    "unique_tokens",
];

/// What a row is made from.
#[derive(Debug, Clone, Copy)]
pub struct CsvRow<'a> {
    /// The wallet.
    pub wallet: &'a str,
    /// Its chain.
    pub chain: &'a str,
    /// Its status in the job.
    pub status: &'a str,
    /// Code of its error, if it has one.
    pub error_code: Option<&'a str>,
    /// The stored `result` object.
    pub report: Option<&'a str>,
}

impl<'a> CsvRow<'a> {
    /// A stored row.
    pub fn of(row: &'a ResultRow, chain: Chain) -> Self {
        Self {
            wallet: row.wallet.as_str(),
            chain: chain.as_str(),
            status: wallet_status(row.state),
            error_code: row.error.as_ref().map(|error| error.code.as_str()),
            report: row.report_json.as_deref(),
        }
    }
}

/// The columns of a row.
pub fn columns() -> &'static [Column] {
    static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(all_columns);
    &COLUMNS
}

fn all_columns() -> Vec<Column> {
    let head = HEAD.iter().map(|name| Column::new(*name, Kind::Text));
    let scalars = SCALARS.iter().map(|name| Column::new(*name, kind(name)));
    let complete = [Column::new("coverage_complete", Kind::Bool)];
    let metrics = METRICS.iter().map(|name| Column::new(format!("metrics.{name}"), kind(name)));
    head.chain(scalars).chain(complete).chain(metrics).collect()
}

fn kind(name: &str) -> Kind {
    if COUNTS.contains(&name) { Kind::Integer } else { Kind::Text }
}

/// What stands in the columns of a row.
///
/// # Errors
/// When the stored report is not what the service stores.
pub fn cells<'a>(row: &CsvRow<'a>) -> Result<Vec<Cell<'a>>, ExportError> {
    let report: BTreeMap<&str, &'a RawValue> = match row.report {
        Some(report) => serde_json::from_str(report)?,
        None => BTreeMap::new(),
    };
    let metrics: BTreeMap<&str, &'a RawValue> = match report.get("metrics") {
        Some(metrics) => serde_json::from_str(metrics.get())?,
        None => BTreeMap::new(),
    };
    let coverage: BTreeMap<&str, &'a RawValue> = match report.get("coverage") {
        Some(coverage) => serde_json::from_str(coverage.get())?,
        None => BTreeMap::new(),
    };
    let head = [Some(row.wallet), Some(row.chain), Some(row.status), row.error_code];
    let values = SCALARS
        .iter()
        .map(|name| report.get(name))
        .chain([coverage.get("complete")])
        .chain(METRICS.iter().map(|name| metrics.get(name)));
    let mut cells: Vec<_> = head.into_iter().map(Cell::text).collect();
    for (column, value) in columns().iter().skip(head.len()).zip(values) {
        cells.push(column.cell(value.copied())?);
    }
    Ok(cells)
}

/// The header line.
///
/// # Errors
/// When it cannot be written.
pub fn header() -> Result<Vec<u8>, ExportError> {
    let mut line = Vec::new();
    let mut lines = Lines::to(&mut line);
    lines.header(columns())?;
    lines.finish()?;
    Ok(line)
}

/// One line.
///
/// # Errors
/// When the stored report is not what the service stores.
pub fn line(row: CsvRow<'_>) -> Result<Vec<u8>, ExportError> {
    let mut line = Vec::new();
    let mut lines = Lines::to(&mut line);
    lines.push(&cells(&row)?)?;
    lines.finish()?;
    Ok(line)
}

/// Lines that are being written.
pub struct Lines<'a>(csv::Writer<&'a mut Vec<u8>>);

impl<'a> Lines<'a> {
    /// To be written to `out`.
    pub fn to(out: &'a mut Vec<u8>) -> Self {
        Self(WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out))
    }

    /// Writes the names of these columns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn header(&mut self, columns: &[Column]) -> Result<(), csv::Error> {
        self.0.write_record(columns.iter().map(|column| column.name.as_bytes()))
    }

    /// Writes a line of these cells.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), csv::Error> {
        for cell in cells {
            match cell {
                Cell::Null => self.0.write_field("")?,
                Cell::Text(text) => self.0.write_field(harmless(text).as_bytes())?,
                Cell::Integer(number) => self.0.write_field(number.to_string())?,
                Cell::Bool(is) => self.0.write_field(is.to_string())?,
            }
        }
        self.0.write_record(None::<&[u8]>)
    }

    /// All lines are at their place.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn finish(mut self) -> Result<(), csv::Error> {
        Ok(self.0.flush()?)
    }
}

/// The cell without the power to be a formula: a text that begins like one gets an apostrophe.
/// Numbers may begin with a sign and stay as they are.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    if is_formula && !is_number(text) { format!("'{text}").into() } else { text.into() }
}

/// A plain decimal number, with a minus at most.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    all_digits(whole) && all_digits(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<E: std::fmt::Debug>(line: Result<Vec<u8>, E>) -> String {
        String::from_utf8(line.unwrap()).unwrap()
    }

    #[test]
    fn a_wallet_without_a_result_has_empty_cells_and_as_many_columns() {
        let row = CsvRow {
            wallet: "W",
            chain: "solana",
            status: "failed",
            error_code: Some("provider-error"),
            report: None,
        };
        let line = text(line(row));
        assert!(line.starts_with("W,solana,failed,provider-error,,"), "{line}");
        assert!(line.ends_with(",\r\n"), "{line}");
        assert_eq!(line.matches(',').count(), text(header()).matches(',').count());
    }

    #[test]
    fn members_of_the_report_stand_under_their_names() {
        let report = r#"{"method":"fifo","total_pnl_usd":"-1.5","trades":3,"tokens":[],
            "coverage":{"complete":false},"metrics":{"trade_win_rate":"0.5","roi_pct":null}}"#;
        let row = CsvRow {
            wallet: "W",
            chain: "solana",
            status: "done",
            error_code: None,
            report: Some(report),
        };
        let (header, line) = (text(header()), text(line(row)));
        let cells: BTreeMap<_, _> =
            header.trim_end().split(',').zip(line.trim_end().split(',')).collect();
        for (name, cell) in [
            ("method", "fifo"),
            ("total_pnl_usd", "-1.5"),
            ("trades", "3"),
            ("coverage_complete", "false"),
            ("metrics.trade_win_rate", "0.5"),
            ("metrics.roi_pct", ""),
        ] {
            assert_eq!(cells[name], cell, "{name}");
        }
    }

    #[test]
    fn formulas_are_made_harmless_and_numbers_stay() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("@sum", "'@sum"),
            ("-2+3", "'-2+3"),
            ("+5", "'+5"),
            ("\tx", "'\tx"),
            ("-1.25", "-1.25"),
            ("-7", "-7"),
            ("So11", "So11"),
            ("", ""),
        ] {
            assert_eq!(harmless(text), expected);
        }
    }

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        let row = CsvRow {
            wallet: "a,\"b\"\r\nc",
            chain: "solana",
            status: "failed",
            error_code: None,
            report: None,
        };
        assert!(text(line(row)).starts_with("\"a,\"\"b\"\"\r\nc\",solana"));
    }
}
