//! The disposals of a wallet, page by page.
//!
//! A page is computed from the beginning of the ledger up to its last row: memory is bounded by open
//! lots and by what is on the page, however long the history is.

use persistence_layer::batches::BatchId;
use pnl_core::engine::{Disposal, DisposalLeg, LotMatch, Records};
use pnl_core::{Address, AssetId, Pin, RawAmount, Usd, WalletRef, Window};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

use super::explain::DisposalId;
use super::origin::Origin;
use super::walk::Walk;
use super::{LedgerPlace, View, Wallets, WalletsError, corrupt};
use crate::request::Analysis;

/// Lots shown with a disposal of a page; [`Wallets::explain`] pages through all of them.
pub const MOST_MATCHES: usize = 100;

/// A page ends early when it has become this large, in bytes.
const MAX_PAGE_BYTES: usize = 8 << 20;

/// Which disposals are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisposalFilter {
    /// How the ledger is looked at.
    pub view: View,
    /// Only of this asset.
    pub asset: Option<AssetId>,
}

/// A page of disposals.
#[derive(Debug)]
pub struct DisposalPage {
    /// Up to which block the ledger goes.
    pub pin: Pin,
    /// [`DisposalView`]s as JSON, oldest first.
    pub rows: Vec<Box<RawValue>>,
    /// The next disposal of the wallet; `None` at the end.
    pub next: Option<LedgerPlace>,
}

/// A disposal with the lots it consumed. Its members have the names of an accounting document.
#[derive(Debug, Clone, Serialize)]
pub struct DisposalView<'a> {
    /// What `explain` finds it by.
    pub id: DisposalId,
    /// The event.
    pub event: &'a str,
    /// The part of the event.
    pub leg: DisposalLeg,
    /// What left.
    pub asset: &'a AssetId,
    /// Unix seconds.
    pub ts: i64,
    /// Base units that left.
    pub qty: RawAmount,
    /// Value received after attached fees; `None` = unpriced.
    pub proceeds: Option<Usd>,
    /// Basis of the matched quantity.
    pub basis: Usd,
    /// Gain on the matched quantity; `None` when the proceeds are unknown.
    pub gain: Option<Usd>,
    /// Base units covered by lots of known basis.
    pub matched_qty: RawAmount,
    /// Base units covered by lots of unknown basis.
    pub unknown_qty: RawAmount,
    /// Base units that no lot covers.
    pub unmatched_qty: RawAmount,
    /// The unknown quantity's share of the proceeds.
    pub unknown_proceeds: Usd,
    /// The unmatched quantity's share of the proceeds.
    pub unmatched_proceeds: Usd,
    /// The lots consumed, in order: the first 100 of them.
    pub matches: Vec<LotMatch<'a>>,
    /// How many lots were consumed.
    pub matches_total: usize,
}

impl<'a> DisposalView<'a> {
    /// With the first `most` lots behind the first `skipped`.
    pub(super) fn new(
        disposal: &Disposal<'a>,
        id: DisposalId,
        skipped: usize,
        most: usize,
    ) -> Self {
        Self {
            id,
            event: disposal.event,
            leg: disposal.leg,
            asset: disposal.asset,
            ts: disposal.ts,
            qty: disposal.quantity,
            proceeds: disposal.proceeds,
            basis: disposal.basis,
            gain: disposal.gain,
            matched_qty: disposal.matched,
            unknown_qty: disposal.unknown,
            unmatched_qty: disposal.unmatched,
            unknown_proceeds: disposal.unknown_proceeds,
            unmatched_proceeds: disposal.unmatched_proceeds,
            matches: disposal.matches.iter().skip(skipped).take(most).collect(),
            matches_total: disposal.matches.len(),
        }
    }
}

/// The disposals of the wallet itself with their ids: its pool of rent deposits has none of its own.
pub(super) fn with_ids<'a>(
    records: &'a Records,
    wallet: &'a str,
) -> impl Iterator<Item = (DisposalId, Disposal<'a>)> {
    with_ids_behind(records, wallet, 0, None)
}

/// The same without the first `given` of them, the last of which was called `last`.
fn with_ids_behind<'a>(
    records: &'a Records,
    wallet: &'a str,
    given: usize,
    mut last: Option<DisposalId>,
) -> impl Iterator<Item = (DisposalId, Disposal<'a>)> {
    let of_wallet = move |_, place: &Arc<str>| place.is_empty() || **place == *wallet;
    records.disposals_where(of_wallet).skip(given).map(move |disposal| {
        // Records are taken between events, so the parts of one event come one after the other.
        let id = DisposalId::behind(last.as_ref(), disposal.event, disposal.leg);
        last = Some(id.clone());
        (id, disposal)
    })
}

/// Disposals of a result that are given at a time. Their JSON is held some times over on its way to a client.
const GIVEN_AT_ONCE: usize = 500;

/// The disposals behind a stored result that have not been computed yet.
#[derive(Debug)]
pub struct DisposalsOfResult {
    walk: Walk,
    wallet: Address,
    most_matches: usize,
}

impl DisposalsOfResult {
    /// Computes some more of them; `None` at the end.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn next(self) -> Result<Option<(SomeDisposals, Self)>, WalletsError> {
        let (walk, records) = self.walk.records().await?;
        let Some(records) = records else { return Ok(None) };
        let Self { ref wallet, most_matches, .. } = self;
        let (wallet, window) = (wallet.clone(), walk.window());
        let some = SomeDisposals { records, wallet, window, most_matches, given: 0, last: None };
        Ok(Some((some, Self { walk, ..self })))
    }
}

/// Disposals that were computed, and how many of them were given out.
#[derive(Debug)]
pub struct SomeDisposals {
    records: Records,
    wallet: Address,
    window: Window,
    most_matches: usize,
    given: usize,
    last: Option<DisposalId>,
}

impl SomeDisposals {
    /// The next few of them as JSON, as [`DisposalView`]s; `None` at the end.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub fn rows(&mut self) -> Result<Option<Vec<Box<RawValue>>>, WalletsError> {
        let (mut rows, last, before) = (Vec::new(), self.last.take(), self.given);
        let next = with_ids_behind(&self.records, self.wallet.as_str(), before, last);
        for (id, disposal) in next.take(GIVEN_AT_ONCE) {
            self.given += 1;
            self.last = Some(id.clone());
            if self.window.contains(disposal.ts) {
                let view = DisposalView::new(&disposal, id, 0, self.most_matches);
                rows.push(serde_json::value::to_raw_value(&view).map_err(corrupt)?);
            }
        }
        Ok((self.given > before).then_some(rows))
    }
}

impl Wallets {
    /// The disposals behind `report`, the wallet's result in `job`, which was asked for by `analysis`, oldest first.
    /// They are computed again: `None` when the ledger that it was made from is not stored (any more), or the
    /// engine that made it is another one. Each shows at most so many of the lots it consumed.
    ///
    /// # Errors
    /// [`WalletsError`].
    pub async fn disposals_of_result(
        &self,
        wallet: &WalletRef,
        job: BatchId,
        report: &str,
        analysis: &Analysis,
        most_matches: usize,
    ) -> Result<Option<DisposalsOfResult>, WalletsError> {
        let origin: Origin = serde_json::from_str(report).map_err(corrupt)?;
        if !origin.is_of_this_engine() {
            return Ok(None);
        }
        let reader = self.reader_of_result(wallet, job, &origin, analysis).await?;
        let Some(reader) = reader else { return Ok(None) };
        let walk = self.walk(&Arc::new(reader), View::of(analysis)).await?;
        Ok(Some(DisposalsOfResult { walk, wallet: wallet.address.clone(), most_matches }))
    }

    /// A page of at most `limit` disposals behind `after`, oldest first; `None` when no ledger of the
    /// wallet is stored.
    ///
    /// # Errors
    /// [`WalletsError::CursorExpired`] when the ledger was replaced since; others.
    pub async fn disposals(
        &self,
        wallet: &WalletRef,
        filter: &DisposalFilter,
        after: Option<LedgerPlace>,
        limit: usize,
    ) -> Result<Option<DisposalPage>, WalletsError> {
        let Some(reader) = self.open(wallet).await? else { return Ok(None) };
        let reader = Arc::new(reader);
        let after = reader.number(after)?;
        let mut page = DisposalPage { pin: reader.ledger.head.pin, rows: Vec::new(), next: None };
        let mut bytes = 0;
        let mut number = 0;
        let mut walk = self.walk(&reader, filter.view).await?;
        let window = walk.window();
        loop {
            let taken;
            (walk, taken) = walk.records().await?;
            let Some(records) = taken else { return Ok(Some(page)) };
            for (id, disposal) in with_ids(&records, wallet.address.as_str()) {
                let this = number;
                number += 1;
                let is_wanted = window.contains(disposal.ts)
                    && filter.asset.as_ref().is_none_or(|asset| asset == disposal.asset);
                if this < after || !is_wanted {
                    continue;
                }
                if page.rows.len() >= limit || bytes > MAX_PAGE_BYTES {
                    page.next = Some(reader.place(this));
                    return Ok(Some(page));
                }
                let view = DisposalView::new(&disposal, id, 0, MOST_MATCHES);
                let row = serde_json::value::to_raw_value(&view).map_err(corrupt)?;
                bytes += row.get().len();
                page.rows.push(row);
            }
        }
    }
}
