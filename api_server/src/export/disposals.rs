//! A row for each disposal behind the results of a job, wallet by wallet, oldest first.
//!
//! Disposals are not stored: they are computed again from the ledger that a result was made from. A wallet
//! whose ledger is not stored any more, or that has no result, has one row that says so instead.

use std::borrow::Cow;
use std::future::ready;
use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use job_orchestrator::request::Analysis;
use job_orchestrator::wallets::{DisposalsOfResult, MOST_MATCHES, Wallets};
use persistence_layer::batches::{Batch, BatchId};
use persistence_layer::results::ResultRow;
use pnl_core::{Chain, WalletRef};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Cell, Column, ExportError, Format, Kind, Line};
use crate::dto::result::wallet_status;

/// Code of a wallet whose ledger was replaced and is not kept any more.
pub(super) const REPLACED: &str = "ledger-replaced";

/// The columns before those of a disposal.
const HEAD: [&str; 4] = ["wallet", "chain", "status", "error_code"];

/// Members of a disposal.
const MEMBERS: [(&str, Kind); 15] = [
    ("id", Kind::Text),
    ("event", Kind::Text),
    ("leg", Kind::Text),
    ("asset", Kind::Text),
    ("ts", Kind::Integer),
    ("qty", Kind::Text),
    ("proceeds", Kind::Text),
    ("basis", Kind::Text),
    ("gain", Kind::Text),
    ("matched_qty", Kind::Text),
    ("unknown_qty", Kind::Text),
    ("unmatched_qty", Kind::Text),
    ("unknown_proceeds", Kind::Text),
    ("unmatched_proceeds", Kind::Text),
    ("matches_total", Kind::Integer),
];

/// The same members, read from JSON.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    leg: &'a str,
    #[serde(borrow)]
    asset: Cow<'a, str>,
    ts: i64,
    qty: &'a str,
    proceeds: Option<&'a str>,
    basis: &'a str,
    gain: Option<&'a str>,
    matched_qty: &'a str,
    unknown_qty: &'a str,
    unmatched_qty: &'a str,
    unknown_proceeds: &'a str,
    unmatched_proceeds: &'a str,
    matches_total: i64,
}

impl<'a> Members<'a> {
    fn cells(self) -> [Cell<'a>; MEMBERS.len()] {
        let text = |text: &'a str| Cell::Text(text.into());
        [
            Cell::Text(self.id),
            Cell::Text(self.event),
            text(self.leg),
            Cell::Text(self.asset),
            Cell::Integer(self.ts),
            text(self.qty),
            Cell::text(self.proceeds),
            text(self.basis),
            Cell::text(self.gain),
            text(self.matched_qty),
            text(self.unknown_qty),
            text(self.unmatched_qty),
            text(self.unknown_proceeds),
            text(self.unmatched_proceeds),
            Cell::Integer(self.matches_total),
        ]
    }
}

/// The columns.
pub(super) fn columns() -> Vec<Column> {
    let head = HEAD.map(|name| Column::new(name, Kind::Text));
    head.into_iter().chain(MEMBERS.map(|(name, kind)| Column::new(name, kind))).collect()
}

/// A disposal, or why a wallet has none here.
pub(super) struct DisposalLine {
    wallet: Arc<str>,
    chain: Chain,
    status: &'static str,
    error_code: Option<String>,
    disposal: Option<Box<RawValue>>,
}

impl Line for DisposalLine {
    fn cells(&self) -> Result<Vec<Cell<'_>>, ExportError> {
        let mut cells = Vec::with_capacity(HEAD.len() + MEMBERS.len());
        cells.extend([
            Cell::text(Some(&self.wallet)),
            Cell::text(Some(self.chain.as_str())),
            Cell::text(Some(self.status)),
            Cell::text(self.error_code.as_deref()),
        ]);
        match &self.disposal {
            Some(disposal) => {
                cells.extend(serde_json::from_str::<Members<'_>>(disposal.get())?.cells());
            }
            None => cells.extend(MEMBERS.map(|_| Cell::Null)),
        }
        Ok(cells)
    }

    fn json(&self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        let line = JsonLine {
            wallet: &self.wallet,
            chain: self.chain.as_str(),
            status: self.status,
            error_code: self.error_code.as_deref(),
            disposal: self.disposal.as_deref(),
        };
        Ok(serde_json::to_writer(out, &line)?)
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    wallet: &'a str,
    chain: &'static str,
    status: &'static str,
    error_code: Option<&'a str>,
    disposal: Option<&'a RawValue>,
}

/// The lines of a job.
pub(super) fn lines(
    wallets: Wallets,
    pages: BoxStream<'static, Result<Vec<ResultRow>, ExportError>>,
    batch: &Batch,
    format: Format,
) -> BoxStream<'static, Result<Vec<DisposalLine>, ExportError>> {
    let (job, chain) = (batch.id, batch.chain);
    // Only lines of JSON show the lots.
    let lots = if format == Format::Ndjson { MOST_MATCHES } else { 0 };
    let analysis = Analysis::of_batch(&batch.request);
    let rows = pages.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten();
    let of_wallets = rows.and_then(move |row| {
        let (wallets, analysis) = (wallets.clone(), analysis.as_ref().ok().cloned());
        async move { of_wallet(&wallets, job, row, chain, analysis, lots).await }
    });
    of_wallets.try_flatten().boxed()
}

/// The lines of one wallet.
async fn of_wallet(
    wallets: &Wallets,
    job: BatchId,
    row: ResultRow,
    chain: Chain,
    analysis: Option<Analysis>,
    lots: usize,
) -> Result<BoxStream<'static, Result<Vec<DisposalLine>, ExportError>>, ExportError> {
    let (wallet, status) = (Arc::<str>::from(row.wallet.as_str()), wallet_status(row.state));
    let line = move |error_code: Option<String>, disposal| DisposalLine {
        wallet: wallet.clone(),
        chain,
        status,
        error_code,
        disposal,
    };
    let Some(report) = row.report_json else {
        let code = row.error.map(|error| error.code);
        return Ok(stream::iter([Ok(vec![line(code, None)])]).boxed());
    };
    let of = WalletRef { chain, address: row.wallet };
    let found = match analysis {
        Some(analysis) => wallets.disposals_of_result(&of, job, &report, &analysis, lots).await?,
        None => None,
    };
    let Some(disposals) = found else {
        return Ok(stream::iter([Ok(vec![line(Some(REPLACED.to_owned()), None)])]).boxed());
    };
    let computed = stream::try_unfold(disposals, DisposalsOfResult::next);
    let rows = computed.map_ok(|some| {
        stream::try_unfold(some, |mut some| {
            ready(some.rows().map(|rows| rows.map(|rows| (rows, some))))
        })
    });
    let lines = rows.try_flatten().map_ok(move |some| {
        some.into_iter().map(|disposal| line(None, Some(disposal))).collect::<Vec<_>>()
    });
    Ok(lines.map_err(ExportError::from).boxed())
}
